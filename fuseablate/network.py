"""From layers to an `nn.Module`: one literal table, and the source's weight initialisation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from fuseablate import layers, modules
from fuseablate.keys import Size
from fuseablate.layers import Layer
from fuseablate.spec import Spec
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


def _conv(conv: layers.Conv, kind: type[nn.Conv2d] = nn.Conv2d) -> nn.Module:
    return kind(
        conv.cin,
        conv.cout,
        conv.kernel,
        conv.stride,
        conv.padding,
        groups=conv.groups,
        bias=conv.bias,
    )


def _fast_conv(conv: layers.Conv) -> nn.Module:
    same_padded = all(2 * p == k - 1 for p, k in zip(conv.padding, conv.kernel, strict=True))
    if conv.kernel == conv.stride == (1, 1) and conv.padding == (0, 0) and conv.groups == 1:
        return _conv(conv, modules.PointwiseConv2d)
    if conv.groups == conv.cin == conv.cout and same_padded and not conv.bias:
        return _conv(conv, modules.DepthwiseConv2d)
    return _conv(conv)


def _linear(linear: layers.Linear) -> nn.Module:
    return nn.Linear(linear.cin, linear.cout, bias=linear.bias)


Table = Mapping[type[Layer], Callable[[Any], nn.Module]]
PRIMITIVES: Table = {
    layers.Conv: _conv,
    layers.Linear: _linear,
    layers.Norm: lambda norm: nn.BatchNorm2d(norm.channels),
    layers.Act: lambda act: ACTIVATIONS[act.kind](),
    layers.GlobalPool: lambda pool: nn.AdaptiveAvgPool2d(1),
    layers.Flatten: lambda flatten: nn.Flatten(),
    layers.Dropout: lambda dropout: modules.Dropout(dropout.p),
}
FAST_PRIMITIVES: Table = {**PRIMITIVES, layers.Conv: _fast_conv}
COMBINATORS: Mapping[type[Layer], type[modules.Sequential]] = {
    layers.Seq: modules.Sequential,
    layers.Concat: modules.Concat,
    layers.Split: modules.Split,
    layers.Add: modules.Add,
    layers.Gate: modules.Gate,
}


def to_module(layer: Layer, primitives: Table = PRIMITIVES) -> nn.Module:
    """Return the module of a tree of layers, with torch's default initialisation."""
    children = getattr(layer, "children", None)
    if children is None:
        return primitives[type(layer)](layer)
    return COMBINATORS[type(layer)]((name, to_module(c, primitives)) for name, c in children)


def build(spec: Spec, seed: int = 0, *, size: Size | None = None, fast: bool = False) -> nn.Module:
    """Return the network of `spec`: images (N, 3, H, W) to logits (N, classes).

    Weights are drawn from `seed`, each parameter from a stream named after it, so that two
    variants share the initial values of all that they share. `size` is the (H, W) that the
    network will see, the table's own by default. `fast` takes the forms of modules that a CPU
    computes faster: the same parameters and the same function, equal to rounding.
    """
    network = to_module(spec.layers(size), FAST_PRIMITIVES if fast else PRIMITIVES)
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
