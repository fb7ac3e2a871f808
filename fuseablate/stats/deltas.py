"""What is said of the difference of a variant to the reference: intervals, verdict, basis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fuseablate.runs import MATTERS

Verdict = Literal["same", "better", "worse", "unclear", "no claim"]
Basis = Literal["any spreads", "alike spreads"]
Method = Literal["intervals", "one seed", "no spread", "no result"]
BASES: tuple[Basis, ...] = ("alike spreads", "any spreads")
LEVEL = 0.05


@dataclass(frozen=True)
class Interval:
    """A simultaneous interval of a difference."""

    low: float
    high: float
    p: float | None
    """The adjusted p value of no difference; None where the images' error is in the interval."""

    def verdict(self, matters: float) -> Verdict:
        """Return what it says: `same` if it lies within plus or minus `matters`, or a direction."""
        if -matters <= self.low and self.high <= matters:
            return "same"
        return "better" if self.low > 0 else "worse" if self.high < 0 else "unclear"


@dataclass(frozen=True)
class Delta:
    """A variant minus the reference, in the unit of the scores."""

    variant: str
    n: int
    """How many seeds it has."""
    mean: float | None
    robust: Interval | None = None
    """The interval that holds whatever the spreads; None where no claim is made."""
    alike: Interval | None = None
    """The one that holds if the spreads are alike."""
    matters: float = MATTERS
    """The smallest difference that matters."""
    seed_se: float | None = None
    """The standard error that comes from the seeds, as the robust interval takes it."""
    image_se: float | None = None
    """What the test images, being a sample, add to it (`stats.images`); None without their
    results."""

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
    """All differences of a study, and how they were judged."""

    reference: str
    deltas: tuple[Delta, ...]
    method: Method
    why: str
    """The method in a sentence or two."""
    sd: float | None = None
    """What is left of the standard deviation of a run after seed and variant, one for all."""
    df: int | None = None
    """Its degrees of freedom."""
    own: Mapping[str, float] | None = None
    """The standard deviation of each variant that is judged, as the robust intervals take it."""
    seeds: int = 1
    """Of each variant, the fewest; of two in blocks those that both have."""
    base: int = 1
    """Seeds of the reference."""
    comparisons: int = 0
    """How many intervals hold together, at `level`."""
    level: float = LEVEL
    blocked: bool = True
    """Whether seeds are blocks."""
    alike: bool = True
    """Whether the spreads do not visibly differ."""
