"""Modules that are made of others: one for each combinator of the layer algebra."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from itertools import pairwise

import torch
from torch import Tensor, nn


class Sequential(nn.Sequential):
    """Named children, one after another.

    The first never changes the input in place, which others may read: the other children of a
    `Concat`, say, or a backward pass. Nor does one behind a module that returns a view.
    """

    def __init__(self, children: Iterable[tuple[str, nn.Module]]) -> None:
        super().__init__(OrderedDict(children))
        for before, child in pairwise((None, *self)):
            if hasattr(child, "inplace") and (before is None or hasattr(before, "returns_view")):
                vars(child)["inplace"] = False

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


class Residual(Sequential):
    """A residual: the input plus what the children make of it."""

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the input's shape."""
        return x + self.chain(x)


class Sum(Sequential):
    """Children over the same input, added."""

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape that all children end in."""
        first, *others = self
        total: Tensor = first(x)
        for child in others:
            total = total + child(x)
        return total


class Gate(Sequential):
    """The input (N, C, H, W) times one factor a channel, which the children make of it."""

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the input's shape."""
        return x * self.chain(x).view(*x.shape[:2], 1, 1)


class CoordinateGate(Sequential):
    """The input (N, C, H, W) times a factor for each of its lines and one for each column."""

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the input's shape."""
        trunk, rows, columns = self
        across = x.mean(2, keepdim=True).transpose(2, 3)
        strips = trunk(torch.cat([x.mean(3, keepdim=True), across], dim=2))
        lines, across = strips.split(x.shape[2:], dim=2)
        gated: Tensor = x * rows(lines) * columns(across.transpose(2, 3))
        return gated


class AuxHead(Sequential):
    """Passes its input on; while training, `logits` hold what the children made of it.

    Whoever computes the loss reads them after the forward pass, and adds `weight` times theirs.
    """

    def __init__(self, children: Iterable[tuple[str, nn.Module]], weight: float) -> None:
        super().__init__(children)
        self.weight = weight
        self.logits: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        self.logits = self.chain(x).flatten(1) if self.training else None
        return x
