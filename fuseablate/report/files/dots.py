"""Where each variant lies between accuracy and cost: what the plots draw. Without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fuseablate.report.judged import METRICS, Judged
from fuseablate.report.rows import rows_of

# Colours that the colour-blind tell apart (Okabe and Ito, 2008), the reference's first. Their
# yellow is left out: a thin line of it cannot be seen on white.
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


@dataclass(frozen=True)
class Dot:
    """A variant that has scores. mean, low, high and scores (by seed) are in percent.

    low and high are the ends of the interval of its difference to the reference, drawn around
    its own mean; None where no claim is made. equal: rescaled to the reference's cost. latency:
    milliseconds an image, None where it was not measured. diverged: how many of its runs did, in
    words; such a variant is on no front.
    """

    key: str
    name: str
    edits: str
    params: int
    macs: int
    latency: float | None
    mean: float
    low: float | None
    high: float | None
    scores: Mapping[int, float]
    seeds_asked: int
    verdict: str
    holds: str
    why: str
    diverged: str
    equal: bool

    @property
    def label(self) -> str:
        """What was changed, or the name where nothing was; and how many runs diverged."""
        return f"{self.edits or self.name}{f' ({self.diverged})' if self.diverged else ''}"


def dots_of(*views: Judged) -> list[Dot]:
    """Return a dot for each variant of the views, once each, the reference first."""
    dots: dict[str, Dot] = {}
    for judged in views:
        for variant, row in zip(judged.variants, rows_of(judged), strict=True):
            if row.mean is None or variant.key in dots:
                continue
            claim = row.low is not None and row.high is not None and row.delta is not None
            around = row.mean - row.delta if row.delta is not None else 0.0
            dots[variant.key] = Dot(
                key=variant.key,
                name=variant.name,
                edits=variant.changes,
                params=variant.params,
                macs=variant.macs,
                latency=variant.latency,
                mean=row.mean,
                low=around + row.low if claim and row.low is not None else None,
                high=around + row.high if claim and row.high is not None else None,
                scores=variant.scores(*METRICS[judged.metric]),
                seeds_asked=row.seeds_asked,
                verdict=row.verdict,
                holds=row.holds,
                why=row.why,
                diverged=variant.diverged,
                equal=variant.iso_of is not None,
            )
    return list(dots.values())
