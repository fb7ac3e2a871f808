"""The torch modules of the layer algebra that torch itself does not have.

The last two are convolutions as torch has them, computed otherwise: the same function with the
same parameters, equal to rounding, and faster on a CPU.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Sequential(nn.Sequential):
    """Named children, one after another."""

    def __init__(self, children: Iterable[tuple[str, nn.Module]]) -> None:
        super().__init__(OrderedDict(children))

    def chain(self, x: Tensor) -> Tensor:
        """Return what the children make of `x`, one after another."""
        for child in self:
            x = child(x)
        return x


class Concat(Sequential):
    """Children over the same input (N, C, H, W), concatenated along the channels."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, sum of the children's channels, H', W')."""
        return torch.cat([child(x) for child in self], dim=1)


class Split(Sequential):
    """The channels of (N, C, H, W) dealt out in equal runs, one to each child."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the children's outputs, concatenated along the channels."""
        parts = x.chunk(len(self), dim=1)
        return torch.cat([child(part) for child, part in zip(self, parts, strict=True)], dim=1)


class Add(Sequential):
    """A residual: the input plus what the children make of it."""

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the input's shape."""
        return x + self.chain(x)


class Gate(Sequential):
    """The input (N, C, H, W) times one factor a channel, which the children make of it."""

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the input's shape."""
        return x * self.chain(x).view(*x.shape[:2], 1, 1)


class Dropout(nn.Module):
    """Dropout whose mask comes from a generator of its own, on the CPU whatever the device.

    So the masks of a run depend on its seed alone, and not on what else draws random numbers.
    Without a generator torch's global one on the CPU is used.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` in eval mode, else `x` with a share `p` zeroed and the rest scaled up."""
        if not self.training or self.p == 0:
            return x
        kept = torch.empty(x.shape).bernoulli_(1 - self.p, generator=self.generator)
        return x * kept.div_(1 - self.p).to(x.device, x.dtype, non_blocking=True)

    def extra_repr(self) -> str:
        """Return what `print` shows."""
        return f"p={self.p}"


class PointwiseConv2d(nn.Conv2d):
    """A 1x1 convolution with stride 1 as one matrix product over (N * H * W, C).

    Over channels-last memory both views are free, and a CPU's matrix product is a good deal
    faster than its convolution, backwards above all.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C', H, W)."""
        y = F.linear(x.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias)
        return y.permute(0, 3, 1, 2)


class DepthwiseConv2d(nn.Conv2d):
    """A same-padded depthwise convolution that on 1x1 maps reads the kernel's middle only.

    All its other taps meet padding there. At 32x32 input the last rows of `fusenet` see such maps.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, H', W')."""
        if x.shape[2:] != (1, 1):
            return super().forward(x)
        middle = self.weight[:, 0, self.kernel_size[0] // 2, self.kernel_size[1] // 2]
        return x * middle.view(1, -1, 1, 1)
