"""Modules that are made of others: one for each combinator of the layer algebra."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

import torch
from torch import Tensor, nn


class Sequential(nn.Sequential):
    """Named children, one after another."""

    def __init__(self, children: Iterable[tuple[str, nn.Module]]) -> None:
        super().__init__(OrderedDict(children))

    def chain(self, x: Tensor) -> Tensor:
        """Return what the children make of `x`, one after another."""
        for child in self:
            x = child(x)
        return x


class Branching(Sequential):
    """Children of which more than one reads the input, so that none may change it in place."""

    def __init__(self, children: Iterable[tuple[str, nn.Module]]) -> None:
        super().__init__(children)
        for child in self:
            first = child
            while isinstance(first, nn.Sequential) and len(first):
                first = first[0]
            if hasattr(first, "inplace"):
                vars(first)["inplace"] = False


class Concat(Branching):
    """Children over the same input (N, C, H, W), concatenated along the channels."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, sum of the children's channels, H', W')."""
        return torch.cat([child(x) for child in self], dim=1)


class Split(Branching):
    """The channels of (N, C, H, W) dealt out in equal runs, one to each child."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the children's outputs, concatenated along the channels."""
        parts = x.chunk(len(self), dim=1)
        return torch.cat([child(part) for child, part in zip(self, parts, strict=True)], dim=1)


class Add(Branching):
    """A residual: the input plus what the children make of it."""

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the input's shape."""
        return x + self.chain(x)


class Sum(Branching):
    """Children over the same input, added."""

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape that all children end in."""
        first, *others = self
        total: Tensor = first(x)
        for child in others:
            total = total + child(x)
        return total


class Gate(Branching):
    """The input (N, C, H, W) times one factor a channel, which the children make of it."""

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the input's shape."""
        return x * self.chain(x).view(*x.shape[:2], 1, 1)


class Tap(Branching):
    """Passes its input on; while training, `logits` hold what the children made of it.

    Whoever computes the loss reads them after the forward pass, and adds `weight` times theirs.
    """

    def __init__(self, children: Iterable[tuple[str, nn.Module]], weight: float) -> None:
        super().__init__(children)
        self.weight = weight
        self.logits: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return `x`."""
        self.logits = self.chain(x).flatten(1) if self.training else None
        return x
