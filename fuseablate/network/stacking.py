"""Several networks of the same layers as one, whose tensors are theirs.

What trains, averages or saves one of them by itself goes on doing so: its parameters and buffers
are views of the stacked ones. Only the passes forwards and backwards are made together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from fuseablate import layers
from fuseablate.layers import Layer, OwnLayer, contains
from fuseablate.network import modules
from fuseablate.network.builder import (
    COMBINATOR_MODULES,
    PRIMITIVE_MODULES,
    CombinatorTable,
    to_module,
)


def _norm(runs: int, norm: layers.Norm) -> nn.Module:
    if norm.groups:
        return modules.StackedGroupNorm(runs, norm.groups, norm.channels, norm.eps)
    return modules.StackedBatchNorm2d(runs, norm.channels, norm.eps, norm.momentum)


def _shortcut(runs: int, cut: layers.ZeroPadShortcut) -> nn.Module:
    return modules.StackedZeroPadShortcut(runs, (cut.cout - cut.cin) // 2, cut.stride)


# What differs from the modules of a run alone; the rest goes channel by channel.
STACKED_MODULES: Mapping[type[Layer], Callable[[int, Any], nn.Module]] = {
    layers.Conv: modules.StackedConv2d,
    layers.Linear: lambda runs, linear: modules.StackedLinear(
        runs, linear.cin, linear.cout, linear.bias
    ),
    layers.Norm: _norm,
    layers.LayerNorm: lambda runs, norm: modules.StackedLayerNorm(runs, norm.channels, norm.eps),
    layers.LayerScale: lambda runs, scale: modules.StackedLayerScale(runs, scale.channels),
    layers.ChannelConv: lambda runs, conv: modules.StackedChannelConv(runs, conv.kernel),
    layers.ChannelShuffle: lambda runs, shuffle: modules.StackedChannelShuffle(
        runs, shuffle.groups
    ),
    layers.ZeroPadShortcut: _shortcut,
    layers.Shift: lambda runs, shift: modules.StackedShift(runs, shift.kernel, shift.stride),
    layers.Dropout: lambda runs, dropout: modules.StackedDropout(runs, dropout.p),
    layers.DropPath: lambda runs, path: modules.StackedDropPath(runs, path.p),
}


def can_stack(layer: Layer) -> bool:
    """Whether runs of a network can train as one; those with a plug-in's primitive cannot."""
    return not contains(layer, OwnLayer)  # type: ignore[type-abstract] # a protocol, asked for


def stacked(layer: Layer, networks: Sequence[nn.Module]) -> nn.Module:
    """Return the network of all runs: images (N, S * 3, H, W) to logits (N, S * classes).

    `networks` are the runs' own, built of `layer`. Their parameters and buffers become views of
    the stacked ones, and their dropouts draw for them.
    """
    assert can_stack(layer)
    runs = len(networks)
    own = {kind: partial(make, runs) for kind, make in STACKED_MODULES.items()}
    joins: CombinatorTable = {
        layers.Concat: lambda _, children: modules.StackedConcat(children, runs),
        layers.Split: lambda _, children: modules.StackedSplit(children, runs),
    }
    network = to_module(layer, {**PRIMITIVE_MODULES, **own}, {**COMBINATOR_MODULES, **joins})
    first = next(networks[0].parameters())
    network.to(first.device, first.dtype)
    for name, whole in _tensors(network):
        for run, mine in enumerate(networks):
            _bind(whole.data[run], _named(mine, name))
    for name, module in network.named_modules():
        if isinstance(module, modules.StackedDropout):
            module.own = [cast("modules.Dropout", mine.get_submodule(name)) for mine in networks]
    return network


@torch.no_grad()
def _bind(part: Tensor, tensor: Tensor) -> None:
    """Move a run's tensor into its part of a stacked one."""
    part.copy_(tensor)
    tensor.data = part


def hand_out_gradients(network: nn.Module, networks: Sequence[nn.Module]) -> None:
    """Let each run's parameters have their part of the stacked gradients."""
    for name, whole in network.named_parameters():
        parts = [None] * len(networks) if whole.grad is None else whole.grad.unbind()
        for mine, part in zip(networks, parts, strict=True):
            mine.get_parameter(name).grad = part


def _tensors(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from network.named_parameters()
    yield from network.named_buffers()


def _named(network: nn.Module, name: str) -> Tensor:
    path, _, last = name.rpartition(".")
    tensor: Tensor = getattr(network.get_submodule(path), last)
    return tensor
