"""From layers to an `nn.Module`: one literal table, and the source's weight initialisation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from fuseablate import layers, modules
from fuseablate.layers import Layer
from fuseablate.spec import Size, Spec
from fuseablate.streams import stream

ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(inplace=True),
    "relu6": lambda: nn.ReLU6(inplace=True),
    "hswish": lambda: nn.Hardswish(inplace=True),
    "swish": lambda: nn.SiLU(inplace=True),
    "gelu": nn.GELU,
    "mish": lambda: nn.Mish(inplace=True),
    "leaky_relu": lambda: nn.LeakyReLU(0.01, inplace=True),
    "elu": lambda: nn.ELU(inplace=True),
    "sigmoid": nn.Sigmoid,
    "hsigmoid": nn.Hardsigmoid,
}


def _conv(conv: layers.Conv) -> nn.Module:
    return nn.Conv2d(
        conv.cin,
        conv.cout,
        conv.kernel,
        conv.stride,
        conv.padding,
        groups=conv.groups,
        bias=conv.bias,
    )


def _linear(linear: layers.Linear) -> nn.Module:
    return nn.Linear(linear.cin, linear.cout, bias=linear.bias)


def _children(children: layers.Named) -> list[tuple[str, nn.Module]]:
    return [(name, to_module(child)) for name, child in children]


MODULES: Mapping[type[Layer], Callable[[Any], nn.Module]] = {
    layers.Conv: _conv,
    layers.Linear: _linear,
    layers.Norm: lambda norm: nn.BatchNorm2d(norm.channels),
    layers.Act: lambda act: ACTIVATIONS[act.kind](),
    layers.GlobalPool: lambda pool: nn.AdaptiveAvgPool2d(1),
    layers.Flatten: lambda flatten: nn.Flatten(),
    layers.Dropout: lambda dropout: modules.Dropout(dropout.p),
    layers.Seq: lambda seq: modules.Sequential(_children(seq.children)),
    layers.Concat: lambda concat: modules.Concat(_children(concat.children)),
    layers.Split: lambda split: modules.Split(_children(split.children)),
    layers.Add: lambda add: modules.Add(_children(add.children)),
    layers.Gate: lambda gate: modules.Gate(_children(gate.children)),
}


def to_module(layer: Layer) -> nn.Module:
    """Return the module of a tree of layers, with torch's default initialisation."""
    return MODULES[type(layer)](layer)


def build(spec: Spec, seed: int = 0, size: Size | None = None) -> nn.Module:
    """Return the network of `spec`: images (N, 3, H, W) to logits (N, classes).

    Weights are drawn from `seed`, each parameter from a stream named after it, so that two
    variants share the initial values of all that they share. `size` is the (H, W) that the
    network will see where a layer depends on it; any other size works for `fusenet`.
    """
    network = to_module(spec.layers(size))
    initialise(network, seed)
    return network


@torch.no_grad()
def initialise(network: nn.Module, seed: int) -> None:
    """Draw the weights as the source does: Kaiming (fan out), N(0, 0.01), ones and zeros."""
    for name, module in network.named_modules():
        generator = stream(seed, f"init/{name}")
        match module:
            case nn.Conv2d():
                nn.init.kaiming_normal_(module.weight, mode="fan_out", generator=generator)
            case nn.Linear():
                nn.init.normal_(module.weight, 0, 0.01, generator=generator)
            case nn.BatchNorm2d():
                nn.init.ones_(module.weight)
        if isinstance(getattr(module, "bias", None), torch.Tensor):
            nn.init.zeros_(module.bias)
