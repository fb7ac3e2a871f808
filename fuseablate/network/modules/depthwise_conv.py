"""Depthwise convolutions whose weight gradient is fast on a CPU.

On x86 torch leaves them to oneDNN. Its kernels for depthwise convolutions take every map forwards
and for the gradient of the map, but for the gradient of the weights only some (oneDNN 3.13,
`src/cpu/x64/jit_uni_dw_conv_kernel_utils.cpp`): what they refuse goes to the kernel of dense
convolutions, which computes sixteen channels by sixteen and keeps the diagonal. With
`ONEDNN_VERBOSE=1` it says which ran.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDEST = 3  # columns of a kernel that oneDNN takes
# Elsewhere it has other kernels, or torch does without it.
IS_X86 = torch.backends.cpu.get_cpu_capability().startswith("AVX")

Pair = tuple[int, int]


class DepthwiseConv2d(nn.Conv2d):
    """A same-padded depthwise convolution without a bias: `depthwise_conv` as a module."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, H', W')."""
        down, right = self.stride
        return depthwise_conv(x, self.weight, (down, right))


def depthwise_conv(x: Tensor, weight: Tensor, stride: Pair) -> Tensor:
    """Return (N, C, H', W') of (N, C, H, W), same-padded, by kernels (C, 1, kh, kw) of odd sides.

    All gradients equal those of torch's own convolution to rounding.
    """
    rows, columns = weight.shape[2:]
    if x.shape[2:] == (1, 1):
        # All other taps meet padding. At 32x32 the last rows of `fusenet` see such maps.
        return x * weight[:, 0, rows // 2, columns // 2].view(1, -1, 1, 1)
    left_to_torch = (
        x.device.type != "cpu"
        or not IS_X86
        or not torch.is_grad_enabled()
        or torch.is_autocast_enabled("cpu")
        or _is_taken((rows, columns), stride, x.shape[2])
    )
    if left_to_torch:
        return _convolved(x, weight, stride)
    y: Tensor = _Depthwise.apply(x, weight, stride)
    return y


def _convolved(x: Tensor, weight: Tensor, stride: Pair) -> Tensor:
    rows, columns = weight.shape[2:]
    return F.conv2d(x, weight, None, stride, (rows // 2, columns // 2), groups=len(weight))


def _is_taken(kernel: Pair, stride: Pair, height: int) -> bool:
    """Return whether oneDNN's depthwise kernel takes the weight gradient, same-padded."""
    (rows, columns), (down, right) = kernel, stride
    above = rows // 2
    return (
        right <= columns <= WIDEST
        and height >= rows + -above % down
        and (above <= 1 or above % down == 0)
    )


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: Pair) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return _convolved(x, weight, stride)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        rows, columns = weight.shape[2:]
        of_x = of_weight = None
        if ctx.needs_input_grad[0]:
            wanted = (True, False, False)
            padding = (rows // 2, columns // 2)
            of_x = _backward(grad, x, weight, ctx.stride, padding, wanted=wanted)[0]
        if ctx.needs_input_grad[1]:
            of_weight = _weight_gradient(x, grad, (rows, columns), ctx.stride)
        return of_x, of_weight, None


def _torchs_gradient(x: Tensor, grad: Tensor, kernel: Pair, stride: Pair, padding: Pair) -> Tensor:
    """Return (C, 1, kh, kw) as torch's own convolution has it."""
    weight = x.new_empty(x.shape[1], 1, *kernel)  # its numbers do not matter
    return _backward(grad, x, weight, stride, padding, wanted=(False, True, False))[1]


def _backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    stride: Pair,
    padding: Pair,
    *,
    wanted: tuple[bool, bool, bool],
) -> tuple[Tensor, Tensor, Tensor]:
    """Return torch's own gradients of `x`, the weight and the bias, those that are wanted."""
    gradients: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        grad, x, weight, None, stride, padding, (1, 1), False, (0, 0), len(weight), wanted
    )
    return gradients


def _weight_gradient(x: Tensor, grad: Tensor, kernel: Pair, stride: Pair) -> Tensor:
    """Return (C, 1, kh, kw) in channels-last memory, by parts of which oneDNN takes each."""
    (rows, columns), (down, right) = kernel, stride
    if _is_taken(kernel, stride, x.shape[2]):
        return _torchs_gradient(x, grad, kernel, stride, (rows // 2, columns // 2))
    if rows == 1:
        upright = _weight_gradient(_rows(x[:, :, ::down]), _rows(grad), (columns, 1), (right, 1))
        return upright.view(-1, 1, columns, 1).permute(0, 3, 1, 2)
    if columns == 1 and right > 1:
        return _weight_gradient(x[:, :, :, ::right], grad, kernel, (down, 1))
    # Too wide or too high a kernel: a few columns at a time, each on a map that is padded, or cut,
    # as those columns see it. Taps that meet nothing but padding are left out.
    gradient = x.new_zeros(x.shape[1], rows, columns, 1).permute(0, 3, 1, 2)
    vertical = _Side(rows, down, x.shape[2], grad.shape[2])
    horizontal = _Side(columns, right, x.shape[3], grad.shape[3])
    (top, bottom), (first, end) = vertical.meeting(), horizontal.meeting()
    parts = -(-(end - first) // WIDEST)
    edges = [first + (end - first) * part // parts for part in range(parts + 1)]
    for left, right_end in pairwise(edges):
        seen = F.pad(x, horizontal.padding(left, right_end) + vertical.padding(top, bottom))
        part = _torchs_gradient(seen, grad, (bottom - top, right_end - left), stride, (0, 0))
        gradient[:, :, top:bottom, left:right_end] = part
    return gradient


def _rows(x: Tensor) -> Tensor:
    """Return (N, C, H, W) as (N * H, C, W, 1), without a copy of channels-last memory."""
    return x.permute(0, 2, 3, 1).flatten(0, 1).unsqueeze(2).permute(0, 3, 1, 2)


class _Side(NamedTuple):
    """One side of a same-padded convolution: of the kernel, the map, and what comes out."""

    kernel: int
    stride: int
    map: int
    out: int

    def meeting(self) -> Pair:
        """Return the first tap that meets the map, and the one behind the last."""
        before = self.kernel // 2
        return max(0, before - (self.out - 1) * self.stride), min(self.kernel, before + self.map)

    def padding(self, first: int, end: int) -> Pair:
        """Return what these taps see before the map and behind it; less than 0 is cut off."""
        before = self.kernel // 2 - first
        return before, (self.out - 1) * self.stride + end - first - self.map - before
