"""Modules that compute S runs of one network at once.

A map is (N, S * C, H, W), the channels of one run after those of another; a vector is (N, S * F).
A parameter of a run of shape P is (S, *P) here, so that the numbers of each run lie together, with
the strides that they have alone. Most layers go by channels, and are those of a run alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fuseablate.layers import Conv
from fuseablate.network.modules.depthwise_conv import depthwise_conv
from fuseablate.network.modules.fast import laid_as, shifted_runs
from fuseablate.network.modules.joins import Sequential
from fuseablate.network.modules.plain import standardised
from fuseablate.network.modules.random import Dropout, DropPath


def _stacked(runs: int, *shape: int) -> nn.Parameter:
    """Return a parameter (runs, *shape); kernels are channels-last, as those of a run alone."""
    if len(shape) == 4:
        out, inner, height, width = shape
        kernels = torch.empty(runs, out, height, width, inner).permute(0, 1, 4, 2, 3)
        return nn.Parameter(kernels)
    return nn.Parameter(torch.empty(runs, *shape))


class _Products(torch.autograd.Function):
    """Products of (M, B, K) and (B, L, K) to (M, B, L), matrix by matrix over B.

    Written straight into strided memory: `matmul` would put B first, and every map be copied.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        y = x.new_empty(*x.shape[:2], weight.shape[1])
        torch.bmm(x.transpose(0, 1), weight.transpose(1, 2), out=y.transpose(0, 1))
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        of_x = of_weight = None
        rows = grad.transpose(0, 1)
        if ctx.needs_input_grad[0]:
            of_x = x.new_empty(x.shape)
            torch.bmm(rows, weight, out=of_x.transpose(0, 1))
        if ctx.needs_input_grad[1]:
            of_weight = torch.bmm(rows.transpose(1, 2), x.transpose(0, 1))
        return of_x, of_weight


def _products(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return (M, B * L) of (M, B * K) and weights (B, L, K)."""
    if torch.is_autocast_enabled(x.device.type):
        dtype = torch.get_autocast_dtype(x.device.type)
        x, weight = x.to(dtype), weight.to(dtype)
    groups, _, inputs = weight.shape
    y: Tensor = _Products.apply(x.reshape(len(x), groups, inputs), weight)
    y = y.flatten(1)
    return y if bias is None else y + bias.flatten().to(y.dtype)


class StackedConv2d(nn.Module):
    """A convolution of each run: products of matrices, by channels, or one after another."""

    returns_view = True
    # Where a convolution of few, wide groups takes no longer than as many by themselves: measured
    # on CPUs (docs/speed.md). GPUs are said to be slower at them, and have yet to be asked.
    grouping: ClassVar[frozenset[str]] = frozenset({"cpu"})

    def __init__(self, runs: int, conv: Conv) -> None:
        super().__init__()
        self.runs, self.conv = runs, conv
        self.is_pointwise = conv.kernel == (1, 1) and conv.padding == (0, 0)
        same_padded = all(2 * p == k - 1 for p, k in zip(conv.padding, conv.kernel, strict=True))
        self.is_depthwise = conv.groups == conv.cin == conv.cout and same_padded and not conv.bias
        self.weight = _stacked(runs, conv.cout, conv.cin // conv.groups, *conv.kernel)
        self.bias = _stacked(runs, conv.cout) if conv.bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, S * C', H', W')."""
        conv, runs, weight = self.conv, self.runs, self.weight.flatten(0, 1)
        if conv.standardised:
            weight = standardised(weight)
        bias = None if self.bias is None else self.bias.flatten()
        channels, (down, right) = weight.shape[1], conv.stride
        if self.is_depthwise:
            return depthwise_conv(x, weight, conv.stride)
        if self.is_pointwise and channels > 1:
            pixels = x[:, :, ::down, ::right].permute(0, 2, 3, 1)
            matrices = weight.view(runs * conv.groups, -1, channels)
            y = _products(pixels.flatten(0, 2), matrices, bias)
            return y.view(*pixels.shape[:3], -1).permute(0, 3, 1, 2)
        if channels == 1 or x.device.type in self.grouping:
            groups = runs * conv.groups
            return F.conv2d(x, weight, bias, conv.stride, conv.padding, groups=groups)
        biases = [None] * runs if bias is None else bias.chunk(runs)
        parts = zip(x.chunk(runs, 1), weight.chunk(runs), biases, strict=True)
        mine = [
            F.conv2d(part, own, its_bias, conv.stride, conv.padding, groups=conv.groups)
            for part, own, its_bias in parts
        ]
        return torch.cat(mine, 1)


class StackedLinear(nn.Module):
    def __init__(self, runs: int, cin: int, cout: int, bias: bool) -> None:
        super().__init__()
        self.weight = _stacked(runs, cout, cin)
        self.bias = _stacked(runs, cout) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, S * C')."""
        return _products(x, self.weight, self.bias)


class StackedBatchNorm2d(nn.Module):
    """Batch norm over the channels of all runs; whoever trains counts the batches."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, runs: int, channels: int, eps: float, momentum: float) -> None:
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight, self.bias = _stacked(runs, channels), _stacked(runs, channels)
        self.register_buffer("running_mean", torch.zeros(runs, channels))
        self.register_buffer("running_var", torch.ones(runs, channels))
        self.register_buffer("num_batches_tracked", torch.zeros(runs, dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the input's shape."""
        y = F.batch_norm(
            x,
            self.running_mean.flatten(),
            self.running_var.flatten(),
            self.weight.flatten(),
            self.bias.flatten(),
            self.training,
            self.momentum,
            self.eps,
        )
        return laid_as(x, y)


class StackedGroupNorm(nn.Module):
    def __init__(self, runs: int, groups: int, channels: int, eps: float) -> None:
        super().__init__()
        self.groups, self.eps = runs * groups, eps
        self.weight, self.bias = _stacked(runs, channels), _stacked(runs, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the input's shape."""
        return F.group_norm(x, self.groups, self.weight.flatten(), self.bias.flatten(), self.eps)


def _by_run(x: Tensor, runs: int) -> Tensor:
    """Return (N, S * C, H, W) as (N, H, W, S, C), without a copy of channels-last memory."""
    pixels = x.permute(0, 2, 3, 1)
    return pixels.reshape(*pixels.shape[:3], runs, -1)


def _in_a_row(x: Tensor) -> Tensor:
    """Return (N, H, W, S, C) as (N, S * C, H, W)."""
    return x.flatten(3).permute(0, 3, 1, 2)


class StackedLayerNorm(nn.Module):
    returns_view = True

    def __init__(self, runs: int, channels: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight, self.bias = _stacked(runs, channels), _stacked(runs, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the input's shape."""
        runs, channels = self.weight.shape
        normed = F.layer_norm(_by_run(x, runs), (channels,), eps=self.eps)
        return _in_a_row(normed * self.weight + self.bias)


class StackedLayerScale(nn.Module):
    def __init__(self, runs: int, channels: int) -> None:
        super().__init__()
        self.weight = _stacked(runs, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the input's shape."""
        return x * self.weight.view(1, -1, 1, 1)


class StackedChannelConv(nn.Module):
    def __init__(self, runs: int, kernel: int) -> None:
        super().__init__()
        self.weight = _stacked(runs, 1, 1, kernel)
        self.padding = kernel // 2

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, S * C)."""
        runs = len(self.weight)
        kernels = self.weight.flatten(0, 1)
        y = F.conv1d(x.view(len(x), runs, -1), kernels, padding=self.padding, groups=runs)
        return y.flatten(1)


class StackedChannelShuffle(nn.Module):
    returns_view = True

    def __init__(self, runs: int, groups: int) -> None:
        super().__init__()
        self.runs, self.groups = runs, groups

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, S * C, H, W)."""
        pixels = _by_run(x, self.runs)
        parts = pixels.reshape(*pixels.shape[:4], self.groups, -1)
        return _in_a_row(parts.transpose(4, 5).flatten(4))


class StackedZeroPadShortcut(nn.Module):
    def __init__(self, runs: int, side: int, stride: int) -> None:
        super().__init__()
        self.runs, self.side, self.stride = runs, side, stride

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, S * (C + 2 * side), ceil(H / stride), ceil(W / stride))."""
        pixels = x[:, :, :: self.stride, :: self.stride]
        return _in_a_row(F.pad(_by_run(pixels, self.runs), (self.side, self.side)))


class StackedShift(nn.Module):
    def __init__(self, runs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.runs, self.kernel, self.stride = runs, kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, S * C, ceil(H / stride), ceil(W / stride))."""
        shifted = torch.cat([shifted_runs(part, self.kernel) for part in x.chunk(self.runs, 1)], 1)
        return shifted[:, :, :: self.stride, :: self.stride]


class StackedDropout(nn.Module):
    """Each run's own `Dropout`, with its own stream, on its own channels."""

    kind: type[Dropout] = Dropout

    def __init__(self, runs: int, p: float) -> None:
        super().__init__()
        self.own: Sequence[Dropout] = [self.kind(p) for _ in range(runs)]

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` in eval mode, else with numbers dropped as each run's stream says."""
        if not self.training:
            return x
        parts = x.chunk(len(self.own), 1)
        return torch.cat([drop(part) for drop, part in zip(self.own, parts, strict=True)], 1)


class StackedDropPath(StackedDropout):
    kind = DropPath


class StackedConcat(Sequential):
    """Children over the same input, concatenated along the channels of each run."""

    returns_view = True

    def __init__(self, children: Iterable[tuple[str, nn.Module]], runs: int) -> None:
        super().__init__(children)
        self.runs = runs

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, S * sum of the children's channels, H', W')."""
        return _in_a_row(torch.cat([_by_run(child(x), self.runs) for child in self], 4))


class StackedSplit(Sequential):
    """The channels of each run dealt out in equal parts, one to each child."""

    returns_view = True

    def __init__(self, children: Iterable[tuple[str, nn.Module]], runs: int) -> None:
        super().__init__(children)
        self.runs = runs

    def forward(self, x: Tensor) -> Tensor:
        """Return the children's outputs, concatenated along the channels of each run."""
        parts = _by_run(x, self.runs).chunk(len(self), 4)
        ends = [child(_in_a_row(part)) for child, part in zip(self, parts, strict=True)]
        return _in_a_row(torch.cat([_by_run(end, self.runs) for end in ends], 4))
