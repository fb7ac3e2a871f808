"""Primitives of the layer algebra that torch has no module for."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STANDARDISING_EPS = 1e-8  # of BiT's published weights


def standardised(kernels: Tensor) -> Tensor:
    """Return kernels (C', C, kh, kw), each brought to mean 0 and variance 1."""
    # A batch norm over (1, C', everything else) is the fastest way to do this.
    rows = kernels.reshape(1, len(kernels), -1)
    rows = F.batch_norm(rows, None, None, training=True, momentum=0.0, eps=STANDARDISING_EPS)
    return rows.view(kernels.shape)


class StandardisedConv2d(nn.Conv2d):
    """A convolution whose kernels are brought to mean 0 and variance 1 (Qiao et al., 2019).

    So it multiplies the spread of its input by the square root of its fan-in, whatever its first
    weights were. A group norm behind it takes that out, and so does a batch norm in training; but
    in eval mode a batch norm that has seen no data divides by 1, and in a deep network the numbers
    of all layers multiply (densenet169: 70 a layer) until float32 holds them no more.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C', H', W')."""
        return F.conv2d(
            x,
            standardised(self.weight),
            self.bias,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
        )


class ZeroPadShortcut(nn.Module):
    """Every `stride`-th pixel, with `side` channels of zeros before and as many after."""

    def __init__(self, side: int, stride: int) -> None:
        super().__init__()
        self.side, self.stride = side, stride

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C + 2 * side, ceil(H / stride), ceil(W / stride))."""
        pixels = x[:, :, :: self.stride, :: self.stride]
        return F.pad(pixels, (0, 0, 0, 0, self.side, self.side))

    def extra_repr(self) -> str:
        return f"{self.side}, stride={self.stride}"


class Shift(nn.Module):
    """Each channel moved by one place of a `kernel` x `kernel` window, zeros moving in."""

    def __init__(self, kernel: int, stride: int) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, ceil(H / stride), ceil(W / stride))."""
        _, channels, height, width = x.shape
        run = channels // self.kernel**2
        reach = self.kernel // 2
        padded = F.pad(x, (reach, reach, reach, reach))
        parts = []
        for place in range(self.kernel**2 if run else 0):
            down, right = divmod(place, self.kernel)
            part = padded[:, place * run : (place + 1) * run]
            parts.append(part[:, :, down : down + height, right : right + width])
        parts.append(x[:, run * self.kernel**2 :])
        return torch.cat(parts, dim=1)[:, :, :: self.stride, :: self.stride]

    def extra_repr(self) -> str:
        return f"{self.kernel}, stride={self.stride}"


class LayerNorm2d(nn.LayerNorm):
    """Layer norm over the channels of each position, computed on channels-last memory."""

    returns_view = True  # see PointwiseConv2d

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of `x`, (N, C, H, W)."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class LayerScale(nn.Module):
    """Each channel of (N, C, H, W) times a learned factor, which begins at `initial`."""

    def __init__(self, channels: int, initial: float) -> None:
        super().__init__()
        self.initial = initial
        self.weight = nn.Parameter(torch.full((channels,), initial))

    def initialise(self, generator: torch.Generator) -> None:
        """Set the factors to what they begin with."""
        nn.init.constant_(self.weight, self.initial)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the input's shape."""
        return x * self.weight.view(1, -1, 1, 1)

    def extra_repr(self) -> str:
        return f"{len(self.weight)}, initial={self.initial}"


class ChannelConv(nn.Conv1d):
    """One odd kernel that slides along the channels of (N, C), zero-padded."""

    def __init__(self, kernel: int) -> None:
        super().__init__(1, 1, kernel, padding=kernel // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C)."""
        return super().forward(x.unsqueeze(1)).squeeze(1)


class ChannelShuffle(nn.Module):
    """The channels of `groups` equal runs, taken from each run in turn."""

    returns_view = True

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, H, W), in channels-last memory."""
        n, channels, height, width = x.shape
        runs = x.permute(0, 2, 3, 1).reshape(n, height, width, self.groups, channels // self.groups)
        shuffled = runs.transpose(3, 4).reshape(n, height, width, channels)
        return shuffled.permute(0, 3, 1, 2)

    def extra_repr(self) -> str:
        return f"{self.groups}"


class Scale(nn.Module):
    """All numbers times one constant factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the input's shape."""
        return x * self.factor

    def extra_repr(self) -> str:
        return f"{self.factor}"
