"""A kind of cost: how it is computed from a row or a network, and how its numbers are written."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from fuseablate.errors import InputError
from fuseablate.io.terminal import short
from fuseablate.layers import Cost, Layer, Seq, Shape


class Costed(Protocol):
    """What a cost is computed from: a row, or a whole network, at an input."""

    @property
    def layer(self) -> Layer: ...
    @property
    def in_shape(self) -> Shape: ...
    @property
    def cost(self) -> Cost: ...


class Network(NamedTuple):
    """The rows of a network as one tree."""

    layer: Layer
    in_shape: Shape
    cost: Cost


@dataclass(frozen=True, kw_only=True)
class CostKind:
    name: str
    """What `--columns`, budgets and study files call it."""
    title: str
    """What it is called: the head of its column."""
    unit: str
    """What stands behind a number of it: 4.20M `MACs`."""
    source: str
    """How it is computed, and where that comes from."""
    count: Callable[[Costed, Any], float] | None = None
    """Computes it, in `per` parts of the unit; None of what is measured on a machine."""
    sums: bool = True
    """Whether a network's is the sum of its rows'."""
    option: str = ""
    """What it is taken on, or how many images of: what stands behind the `@` where nothing does."""
    read: Callable[[str], Any] | None = None
    """Reads the option; None where there is none."""
    budget: bool = True
    """Whether a budget may limit it, and a network be rescaled to equal it."""
    axis: str = ""
    """The label of a plot's axis, where that is not the heading."""
    per: float = 1
    """How many of the number make one of the unit."""
    decimals: int = 0
    """Of a number of the unit."""

    @property
    def measured(self) -> bool:
        return self.count is None

    @functools.cached_property
    def chosen(self) -> Any:
        """What the option means: a machine, a number of images."""
        return self.read(self.option) if self.read else None

    def of(self, part: Costed) -> float:
        """Return what one image, or the option's batch, costs in a row or a network."""
        if self.count is None:
            raise InputError(f"{self.name} is measured, and no table says it")
        return self.count(part, self.chosen)

    def total(self, rows: Sequence[Costed]) -> float:
        """Return what one image, or the option's batch, costs in all these rows in turn."""
        return sum(map(self.of, rows)) if self.sums or not rows else self.of(whole(rows))

    @property
    def heading(self) -> str:
        """The title with the unit, where the title does not say it."""
        says_unit = self.unit.lower() in self.title.lower()
        return self.title if says_unit else f"{self.title} ({self.unit})"

    @property
    def word(self) -> str:
        """What it is called within a sentence: MACs, params, energy."""
        return self.unit if self.unit.lower() == self.title.lower() else self.title.lower()

    @property
    def label(self) -> str:
        """The label of a plot's axis."""
        return self.axis or self.heading

    def in_unit(self, value: float) -> float:
        return value / self.per

    def full(self, value: float) -> str:
        """Return a number with all its digits."""
        return f"{self.in_unit(value):,.{self.decimals}f}"

    def short(self, value: float) -> str:
        """Return a number with three digits: 4.20M."""
        return self.full(value) if self.decimals else short(value)

    def counted(self, value: float) -> str:
        """Return a number with three digits and its unit: 4.20M MACs."""
        return f"{self.short(value)} {self.unit}"

    def exact(self, value: float) -> str:
        """Return a number with all its digits and its unit: 4,123,392 MACs."""
        return f"{self.full(value)} {self.unit}"


def whole(rows: Sequence[Costed]) -> Network:
    """Return rows, of which there is one at least, as one tree."""
    tree = Seq(tuple((str(at), row.layer) for at, row in enumerate(rows)))
    return Network(tree, rows[0].in_shape, Cost.total(row.cost for row in rows))
