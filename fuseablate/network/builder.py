"""From layers to an `nn.Module`: one literal table, and the source's weight initialisation."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import nn

from fuseablate import layers
from fuseablate.errors import check_kind
from fuseablate.layers import Layer, OwnLayer
from fuseablate.network import modules
from fuseablate.spec import Size, Spec
from fuseablate.streams import stream


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


def _plain_conv(conv: layers.Conv) -> nn.Module:
    return _conv(conv, modules.StandardisedConv2d if conv.standardised else nn.Conv2d)


def _fast_conv(conv: layers.Conv) -> nn.Module:
    if conv.standardised:
        return _plain_conv(conv)
    same_padded = all(2 * p == k - 1 for p, k in zip(conv.padding, conv.kernel, strict=True))
    if conv.kernel == conv.stride == (1, 1) and conv.padding == (0, 0) and conv.groups == 1:
        return _conv(conv, modules.PointwiseConv2d)
    if conv.groups == conv.cin == conv.cout and same_padded and not conv.bias:
        return _conv(conv, modules.DepthwiseConv2d)
    return _conv(conv)


def _norm(norm: layers.Norm, kind: type[nn.BatchNorm2d] = nn.BatchNorm2d) -> nn.Module:
    if norm.groups:
        return nn.GroupNorm(norm.groups, norm.channels, eps=norm.eps)
    return kind(norm.channels, eps=norm.eps, momentum=norm.momentum)


def _pool(pool: layers.Pool) -> nn.Module:
    if pool.kind == "max":
        return nn.MaxPool2d(pool.kernel, pool.stride, pool.padding, ceil_mode=pool.ceil)
    return nn.AvgPool2d(
        pool.kernel,
        pool.stride,
        pool.padding,
        ceil_mode=pool.ceil,
        count_include_pad=pool.count_padding,
    )


def _act(act: layers.Act) -> nn.Module:
    activation = layers.ACTIVATIONS[act.kind]
    module: type[nn.Module] = pkgutil.resolve_name(activation.module)
    return module(inplace=True) if activation.inplace else module()


ModuleTable = Mapping[type[Layer], Callable[[Any], nn.Module]]
PRIMITIVE_MODULES: ModuleTable = {
    layers.Conv: _plain_conv,
    layers.Linear: lambda linear: nn.Linear(linear.cin, linear.cout, bias=linear.bias),
    layers.Norm: _norm,
    layers.LayerNorm: lambda norm: modules.LayerNorm2d(norm.channels, eps=norm.eps),
    layers.LayerScale: lambda scale: modules.LayerScale(scale.channels, scale.initial),
    layers.ChannelConv: lambda conv: modules.ChannelConv(conv.kernel),
    layers.ChannelShuffle: lambda shuffle: modules.ChannelShuffle(shuffle.groups),
    layers.Act: _act,
    layers.GlobalPool: lambda pool: nn.AdaptiveAvgPool2d(pool.size),
    layers.Pool: _pool,
    layers.Pad: lambda pad: nn.ZeroPad2d(pad.width),
    layers.ZeroPadShortcut: lambda subsample: modules.ZeroPadShortcut(
        (subsample.cout - subsample.cin) // 2, subsample.stride
    ),
    layers.Shift: lambda shift: modules.Shift(shift.kernel, shift.stride),
    layers.Scale: lambda scale: modules.Scale(scale.factor),
    layers.Flatten: lambda flatten: nn.Flatten(),
    layers.Dropout: lambda dropout: modules.Dropout(dropout.p),
    layers.DropPath: lambda path: modules.DropPath(path.p),
}
FAST_MODULES: ModuleTable = {
    **PRIMITIVE_MODULES,
    layers.Conv: _fast_conv,
    layers.Norm: lambda norm: _norm(norm, modules.FastBatchNorm2d),
    layers.Shift: lambda shift: modules.FastShift(shift.kernel, shift.stride),
}
NamedModules = Iterable[tuple[str, nn.Module]]
CombinatorTable = Mapping[type[Layer], Callable[[Any, NamedModules], nn.Module]]
COMBINATOR_MODULES: CombinatorTable = {
    layers.Seq: lambda seq, children: modules.Sequential(children),
    layers.Concat: lambda concat, children: modules.Concat(children),
    layers.Split: lambda split, children: modules.Split(children),
    layers.Residual: lambda add, children: modules.Residual(children),
    layers.Sum: lambda sum, children: modules.Sum(children),
    layers.Gate: lambda gate, children: modules.Gate(children),
    layers.CoordinateGate: lambda gate, children: modules.CoordinateGate(children),
    layers.AuxHead: lambda tap, children: modules.AuxHead(children, tap.weight),
}


def to_module(
    layer: Layer,
    primitives: ModuleTable = PRIMITIVE_MODULES,
    combinators: CombinatorTable = COMBINATOR_MODULES,
) -> nn.Module:
    """Return the module of a tree of layers, with torch's default initialisation."""
    children = getattr(layer, "children", None)
    if children is None:
        make = primitives.get(type(layer))
        if make is None and isinstance(layer, OwnLayer):
            own: nn.Module = layer.module()
            return own
        return primitives[type(layer)](layer)
    made = [(name, to_module(child, primitives, combinators)) for name, child in children]
    return combinators[type(layer)](layer, made)


def build(spec: Spec, seed: int = 0, *, size: Size | None = None, fast: bool = False) -> nn.Module:
    """Return the network of `spec`: images (N, 3, H, W) to logits (N, classes).

    Weights are drawn from `seed`, each parameter from a stream named after it, so that two
    variants share the initial values of all that they share. `size` is the (H, W) that the
    network will see, the table's own by default. `fast` takes the forms of modules that a CPU
    computes faster: the same parameters and the same function, equal to rounding.
    """
    check_kind("spec", spec, Spec, "load_spec", "fusenet")
    network = to_module(spec.layers(size), FAST_MODULES if fast else PRIMITIVE_MODULES)
    initialise(network, seed)
    return network


@torch.no_grad()
def initialise(network: nn.Module, seed: int) -> None:
    """Draw the weights as the source does: Kaiming (fan out), N(0, 0.01), ones and zeros."""
    for name, module in network.named_modules():
        generator = stream(seed, f"init/{name}")
        match module:
            case nn.Conv2d() | nn.Conv1d():
                nn.init.kaiming_normal_(module.weight, mode="fan_out", generator=generator)
            case nn.Linear():
                nn.init.normal_(module.weight, 0, 0.01, generator=generator)
            case nn.BatchNorm2d() | nn.GroupNorm() | nn.LayerNorm():
                nn.init.ones_(module.weight)
            case _ if hasattr(module, "initialise"):  # as LayerScale, and modules of plug-ins
                module.initialise(generator)
        if isinstance(getattr(module, "bias", None), torch.Tensor):
            nn.init.zeros_(module.bias)
