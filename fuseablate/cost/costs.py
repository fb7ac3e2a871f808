"""The costs of a network: the one table of what each is called and how its numbers are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from fuseablate.io.terminal import short
from fuseablate.layers import Cost
from fuseablate.spec import Size, Spec


@dataclass(frozen=True, kw_only=True)
class CostKind:
    title: str
    """What it is called: the head of its column."""
    unit: str
    """What stands behind a number of it: 4.20M `MACs`."""
    get: Callable[[Any], Any]
    """Reads it from a `Cost`, or from a variant or a trial that holds costs by name."""
    budget: bool = False
    """Whether a budget may limit it, and a network be rescaled to equal it."""
    measured: bool = False
    """Whether it is measured on a machine: no `Cost` has it then, and a variant may have None."""
    axis: str = ""
    """The label of a plot's axis, where that is not the heading."""
    per: float = 1
    """How many of the number make one of the unit."""
    decimals: int = 0
    """Of a number of the unit."""

    @property
    def heading(self) -> str:
        """The title with the unit, where the title does not say it."""
        says_unit = self.title.lower() == self.unit.lower()
        return self.title if says_unit else f"{self.title} ({self.unit})"

    @property
    def label(self) -> str:
        """The label of a plot's axis."""
        return self.axis or self.heading

    def full(self, value: float) -> str:
        """Return a number with all its digits."""
        return f"{value / self.per:,.{self.decimals}f}"

    def short(self, value: float) -> str:
        """Return a number with three digits: 4.20M."""
        return self.full(value) if self.decimals else short(value)

    def counted(self, value: float) -> str:
        """Return a number with three digits and its unit: 4.20M MACs."""
        return f"{self.short(value)} {self.unit}"


COSTS: Mapping[str, CostKind] = {
    "macs": CostKind(title="MACs", unit="MACs", get=attrgetter("macs"), budget=True),
    "params": CostKind(title="Params", unit="params", get=attrgetter("params"), budget=True),
    "latency": CostKind(
        title="Latency", unit="ms", get=attrgetter("latency"), measured=True,
        axis="Latency (ms an image)", decimals=2,
    ),
    "activations": CostKind(
        title="Activations", unit="activations", get=attrgetter("activations")
    ),
    "bytes": CostKind(title="Size", unit="MB", get=attrgetter("bytes"), per=1e6, decimals=2),
}  # fmt: skip
BUDGETS = tuple(name for name, kind in COSTS.items() if kind.budget)
SUMMARY = ("params", "macs")  # what a network's size is told by, in this order


def summary(cost: Any) -> str:
    """Return the size of a network in words: 3.28M params, 4.12M MACs."""
    return ", ".join(COSTS[name].counted(COSTS[name].get(cost)) for name in SUMMARY)


def within(cost: Any, limits: Mapping[str, int]) -> bool:
    """Whether each cost that has a limit is at most that, by the names of the costs."""
    return all(COSTS[name].get(cost) <= limit for name, limit in limits.items())


def measure(spec: Spec, size: Size | None = None) -> Cost:
    """Return what one image of `size` (H, W), the table's own by default, costs in `spec`.

    Params and MACs are those that fvcore counts on the built network (`network.check`). Raise
    `InputError` where the network cannot take images of that size.
    """
    return Cost.total(row.cost for row in spec.infer(size))
