"""Convolutions and shifts, computed otherwise than as torch has them.

The same function with the same parameters, equal to rounding, and faster on a CPU.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fuseablate.network.modules.plain import Shift


class PointwiseConv2d(nn.Conv2d):
    """A 1x1 convolution with stride 1 as one matrix product over (N * H * W, C).

    Over channels-last memory both views are free, and a CPU's matrix product is a good deal
    faster than its convolution, backwards above all.
    """

    # Autograd copies the whole map thrice where something is computed in place on a view.
    returns_view = True

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C', H, W)."""
        y = F.linear(x.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias)
        return y.permute(0, 3, 1, 2)


class FastBatchNorm2d(nn.BatchNorm2d):
    """A batch norm that is fast backwards, too: see `laid_as`."""

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the input's shape."""
        return laid_as(x, super().forward(x))


def laid_as(x: Tensor, y: Tensor) -> Tensor:
    """Return `y`, a norm's output, whose gradient is brought to the strides of the input `x`.

    A batch norm on a CPU has a fast backward where both lie alike, and else goes number by number,
    five times as slow: where the gradient is a slice of a concatenation's, or where the strides of
    a 1x1 map, of which most do not matter, are others.
    """
    is_last = x.is_contiguous(memory_format=torch.channels_last)
    if y.requires_grad and y.device.type == "cpu" and is_last:
        strides = x.stride()

        def hook(grad: Tensor) -> Tensor:
            if grad.stride() == strides:
                return grad
            return grad.new_empty_strided(grad.shape, strides).copy_(grad)

        y.register_hook(hook)  # type: ignore[no-untyped-call]
    return y


class FastShift(Shift):
    """A shift that writes each number once, forwards and backwards.

    Autograd's own backward of a slice fills a whole map with zeros, once for each of the K x K
    places.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, ceil(H / stride), ceil(W / stride))."""
        return shifted_runs(x, self.kernel)[:, :, :: self.stride, :: self.stride]


def shifted_runs(x: Tensor, kernel: int) -> Tensor:
    """Return (N, C, H, W) with each run of channels moved to its place of the window."""
    shifted: Tensor = _Moved.apply(x, kernel)
    return shifted


class _Moved(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: int) -> Tensor:
        ctx.kernel = kernel
        return _shifted(x, kernel, 1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return _shifted(grad, ctx.kernel, -1), None


def _shifted(x: Tensor, kernel: int, way: int) -> Tensor:
    """Return `x` with each run of channels moved, or moved back where `way` is -1."""
    _, channels, height, width = x.shape
    run, reach = channels // kernel**2, kernel // 2
    y = torch.zeros_like(x)
    y[:, run * kernel**2 :] = x[:, run * kernel**2 :]
    for place in range(kernel**2 if run else 0):
        down, right = (way * (step - reach) for step in divmod(place, kernel))
        (to_y, from_y), (to_x, from_x) = _overlap(down, height), _overlap(right, width)
        part = slice(place * run, (place + 1) * run)
        y[:, part, to_y, to_x] = x[:, part, from_y, from_x]
    return y


def _overlap(step: int, side: int) -> tuple[slice, slice]:
    """Return where numbers go and come from that lie `step` further on along a side."""
    reach = min(abs(step), side)
    near, far = slice(0, side - reach), slice(reach, side)
    return (near, far) if step >= 0 else (far, near)
