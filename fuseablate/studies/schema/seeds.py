"""`seeds` of a study file: a list, or a table that says how many. Without torch.

seeds = [0, 1, 2]                         these, of every variant
seeds = { each = 3, reference = 9 }       0 to 2 of every variant, 0 to 8 of the reference
seeds = { first = 3, step = 2, most = 9 } planned looks: 3, then 2 more of what is still unclear
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Self

from pydantic import Discriminator, Field, Tag, model_validator

from fuseablate.io.checked import Schema
from fuseablate.seeds import Looks, SeedPlan
from fuseablate.space import Seeds

AskedSeeds = Annotated[int, Field(ge=1, le=1000)]
_LOOKS = ("first", "step", "most")


class SeedTable(Schema):
    """Numbers of seeds: `each`, and `reference`, or those of planned looks."""

    each: AskedSeeds | None = None
    """Of every variant."""
    reference: AskedSeeds | None = None
    """Of the reference; by default what every variant has."""
    first: Annotated[int, Field(ge=2, le=1000)] | None = None
    """With planned looks: how many seeds every variant has at the first look."""
    step: AskedSeeds | None = None
    """How many more those without a verdict get from look to look."""
    most: AskedSeeds | None = None
    """How many a variant has at the most."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        given = [key for key in _LOOKS if getattr(self, key) is not None]
        if self.each is not None and given:
            raise ValueError(f"{given[0]}: plans looks, which 'each' does without; keep one")
        if self.each is None and len(given) < len(_LOOKS):
            missing = [key for key in _LOOKS if key not in given]
            raise ValueError(
                f"{missing[0]}: missing; give first, step and most for planned looks"
                if given
                else "must give each (and reference), or first, step and most for planned looks"
            )
        if self.first and self.most and self.most <= self.first:
            raise ValueError(f"most = {self.most}: must be more than first = {self.first}")
        if self.reference and self.each is None:
            raise ValueError("reference: is for 'each'; with planned looks leave it out")
        if self.reference and self.each and self.reference < self.each:
            raise ValueError(
                f"reference = {self.reference}: must be at least the {self.each} of every variant"
            )
        return self


Seeding = Annotated[
    Annotated[Seeds, Tag("list")] | Annotated[SeedTable, Tag("table")],
    Discriminator(lambda given: "table" if isinstance(given, Mapping | SeedTable) else "list"),
]


def seed_plan(given: tuple[int, ...] | SeedTable) -> SeedPlan:
    """Return what a study file's `seeds` mean."""
    if not isinstance(given, SeedTable):
        return SeedPlan.of(given)
    if given.first and given.step and given.most:
        looks = Looks(given.first, given.step, given.most)
        return replace(SeedPlan.of(range(looks.first)), looks=looks)
    each = given.each or 0
    return SeedPlan(each=tuple(range(each)), reference=tuple(range(given.reference or each)))
