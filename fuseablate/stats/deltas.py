"""What is said of the difference of a variant to the reference: intervals, verdict, basis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["same", "better", "worse", "unclear", "no claim"]
Basis = Literal["any spreads", "alike spreads"]
Method = Literal["intervals", "one seed", "no spread", "no result"]
BASES: tuple[Basis, ...] = ("alike spreads", "any spreads")
LEVEL = 0.05
MATTERS = 1.0  # points


@dataclass(frozen=True)
class Interval:
    """A simultaneous interval of a difference, and the adjusted p value of no difference.

    p is None of an interval that holds the error of the images too.
    """

    low: float
    high: float
    p: float | None

    def verdict(self, matters: float) -> Verdict:
        """Return what it says: `same` if it lies within plus or minus `matters`, or a direction."""
        if -matters <= self.low and self.high <= matters:
            return "same"
        return "better" if self.low > 0 else "worse" if self.high < 0 else "unclear"


@dataclass(frozen=True)
class Delta:
    """A variant minus the reference, in the unit of the scores.

    n: its seeds. robust: the interval that holds whatever the spreads, alike: the one that holds
    if they are alike; None where no claim is made. matters: the smallest difference that does.
    seed_se: the standard error that comes from the seeds, as the robust interval takes it.
    image_se: what the test images, being a sample, add to it (`stats.images`); None without
    results of each image.
    """

    variant: str
    n: int
    mean: float | None
    robust: Interval | None = None
    alike: Interval | None = None
    matters: float = MATTERS
    seed_se: float | None = None
    image_se: float | None = None

    @property
    def limit(self) -> Literal["seeds", "images"] | None:
        """Which of the two errors is the larger."""
        if self.seed_se is None or self.image_se is None:
            return None
        return "images" if self.image_se > self.seed_se else "seeds"

    @property
    def basis(self) -> Basis | None:
        """What the verdict rests on.

        That of the alike interval, where there is one, rests on any spreads if the robust one
        says the same. So that all verdicts together err no more often than one kind of interval
        does, the robust one adds none to it.
        """
        if self.alike is None:
            return "any spreads" if self.robust else None
        verdict = self.alike.verdict(self.matters)
        agreed = self.robust and self.robust.verdict(self.matters) == verdict
        return "any spreads" if agreed and verdict != "unclear" else "alike spreads"

    @property
    def interval(self) -> Interval | None:
        """The interval of that basis."""
        return self.alike if self.basis == "alike spreads" else self.robust

    @property
    def verdict(self) -> Verdict:
        """What that interval says."""
        return self.interval.verdict(self.matters) if self.interval else "no claim"

    @property
    def holds(self) -> str:
        """When the verdict holds, in words; empty where it claims nothing."""
        if self.verdict in ("unclear", "no claim"):
            return ""
        any_spreads = self.basis == "any spreads"
        return "whatever the spreads" if any_spreads else "if spreads are alike"

    @property
    def low(self) -> float | None:
        """The lower end of that interval."""
        return self.interval.low if self.interval else None

    @property
    def high(self) -> float | None:
        """The upper end of that interval."""
        return self.interval.high if self.interval else None

    @property
    def p(self) -> float | None:
        """The adjusted p value of that interval."""
        return self.interval.p if self.interval else None


@dataclass(frozen=True)
class Analysis:
    """All differences of a study, and how they were judged.

    why: the method in a sentence or two. sd: what is left of the standard deviation of a run
    after seed and variant, one for all variants, with `df` degrees of freedom. own: the standard
    deviation of each variant that is judged, as the robust intervals take it. seeds: of each
    variant, the fewest; base: of the reference. comparisons: how many intervals hold together,
    at `level`. blocked: whether seeds are blocks. alike: whether the spreads do not visibly differ.
    """

    reference: str
    deltas: tuple[Delta, ...]
    method: Method
    why: str
    sd: float | None = None
    df: int | None = None
    own: Mapping[str, float] | None = None
    seeds: int = 1
    base: int = 1
    comparisons: int = 0
    level: float = LEVEL
    blocked: bool = True
    alike: bool = True
