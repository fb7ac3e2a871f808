"""Which seeds a study trains, and what was changed about them once results were there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import Field

SeedCount = Annotated[int, Field(ge=1, le=10_000)]


@dataclass(frozen=True)
class Looks:
    """Planned looks at the results: after `first` seeds, then after each `step` more, to `most`."""

    first: SeedCount
    step: SeedCount
    most: SeedCount

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of seeds at each look; the last may add fewer than `step`."""
        return (*range(self.first, self.most, self.step), self.most)

    @property
    def said(self) -> str:
        """What a reader of the results must know of them."""
        *before, last = map(str, self.sizes)
        return (
            f"Planned looks at {', '.join(before)} and {last} seeds: a variant is trained on until "
            "a look gives it a verdict, and the error is spent over all of them."
        )


@dataclass(frozen=True, kw_only=True)
class SeedPlan:
    """The seeds of every variant, and those of the reference.

    With planned looks both are those of the first one, the numbers from 0 up; the next numbers go
    to the variants that are still unclear, and to the reference.
    """

    each: tuple[int, ...]
    reference: tuple[int, ...]
    looks: Looks | None = None

    @classmethod
    def of(cls, seeds: Sequence[int]) -> Self:
        """Return the plan of the same seeds for all."""
        return cls(each=tuple(seeds), reference=tuple(seeds))

    @property
    def every(self) -> frozenset[int]:
        """All seeds that a run may come to have."""
        later = range(self.looks.most) if self.looks else ()
        return frozenset((*self.each, *self.reference, *later))

    def says_the_same_as(self, other: SeedPlan) -> bool:
        """Return whether both say the same, in whatever order."""
        mine, its = ((set(plan.each), set(plan.reference), plan.looks) for plan in (self, other))
        return mine == its


def unplanned(seen: Sequence[SeedPlan], now: SeedPlan) -> tuple[str, ...]:
    """Return what was changed after results were seen, under the plans `seen`, as one note."""
    if not seen:
        return ()
    added = now.every - seen[0].every
    left_out = frozenset[int]().union(*(plan.every for plan in seen)) - now.every
    changes = [
        f"{_listed(seeds)} {'was' if len(seeds) == 1 else 'were'} {how}"
        for seeds, how in ((added, "added"), (left_out, "left out"))
        if seeds
    ] or ["The plan of the seeds was changed"]
    return (
        f"{', '.join(changes)} after results were seen: the 5 % error holds for a planned number "
        "of seeds only; see planned looks.",
    )


def _listed(seeds: frozenset[int]) -> str:
    first, *more = some = sorted(seeds)
    if not more:
        return f"Seed {first}"
    if len(some) > 2 and some[-1] - first == len(more):
        return f"Seeds {first} to {some[-1]}"
    return f"Seeds {', '.join(map(str, some[:-1]))} and {some[-1]}"
