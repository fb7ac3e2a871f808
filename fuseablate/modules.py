"""The torch modules of the layer algebra that torch itself does not have."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

import torch
from torch import Tensor, nn


class Sequential(nn.Sequential):
    """Named children, one after another."""

    def __init__(self, children: Iterable[tuple[str, nn.Module]]) -> None:
        super().__init__(OrderedDict(children))


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
        return x + super().forward(x)


class Gate(Sequential):
    """The input (N, C, H, W) times one factor a channel, which the children make of it."""

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the input's shape."""
        factors: Tensor = super().forward(x)
        return x * factors.view(*x.shape[:2], 1, 1)


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
