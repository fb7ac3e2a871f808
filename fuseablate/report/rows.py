"""The report as plain rows, one a variant: what every written format is made of."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, fields

from fuseablate.report.comparison import ComparedVariant
from fuseablate.report.judged import Judged


@dataclass(frozen=True)
class Row:
    """A variant in numbers. Scores are in percent, changes are shares of the reference's cost.

    low, high and p are those of the interval that the verdict rests on, and `holds` says when it
    does; robust_low to alike_p are both intervals. All are simultaneous 95 % intervals; None where
    there is none.
    why: why there is no verdict though runs have ended; empty where there may be one. interval:
    what the intervals hold, the error of the seeds or of `both`; they have no p then. seed_error,
    image_error: the standard error of the difference from the seeds, and what images add to it.
    """

    comparison: str
    variant: str
    edits: str
    params: int
    params_change: float
    macs: int
    macs_change: float
    latency_ms: float | None
    seeds: int
    seeds_asked: int
    mean: float | None
    sd: float | None
    delta: float | None
    low: float | None
    high: float | None
    p: float | None
    verdict: str
    holds: str
    why: str
    robust_low: float | None
    robust_high: float | None
    robust_p: float | None
    alike_low: float | None
    alike_high: float | None
    alike_p: float | None
    interval: str
    seed_error: float | None
    image_error: float | None


FIELDS = tuple(field.name for field in fields(Row))
NAMED = ("comparison", "variant", "edits")
# What each column of a table, by its name, is made of.
PARTS = {
    "params": ("params", "params_change"),
    "macs": ("macs", "macs_change"),
    "latency": ("latency_ms",),
    "score": ("mean", "sd"),
    "delta": ("delta", "low", "high", "p"),
    "seeds": ("seeds", "seeds_asked"),
    "verdict": ("verdict", "holds", "why"),
}


def rows_of(judged: Judged, variants: Sequence[ComparedVariant] | None = None) -> list[Row]:
    """Return a row for each variant, the reference first; or for those given, in their order."""
    base = judged.variants[0]
    rows = []
    for variant in judged.variants if variants is None else variants:
        scores, delta = judged.scores(variant), judged.delta(variant)
        robust, alike = (delta.robust, delta.alike) if delta else (None, None)
        rows.append(
            Row(
                comparison=judged.comparison.heading,
                variant=variant.name,
                edits=variant.changes,
                params=variant.params,
                params_change=variant.params / base.params - 1,
                macs=variant.macs,
                macs_change=variant.macs / base.macs - 1,
                latency_ms=variant.latency,
                seeds=len(scores),
                seeds_asked=len(variant.seeds),
                mean=statistics.mean(scores) if scores else None,
                sd=statistics.stdev(scores) if len(scores) > 1 else None,
                delta=delta.mean if delta else None,
                low=delta.low if delta else None,
                high=delta.high if delta else None,
                p=delta.p if delta else None,
                verdict=_verdict(variant, judged),
                holds=delta.holds if delta else "",
                why=judged.why_none(variant),
                robust_low=robust.low if robust else None,
                robust_high=robust.high if robust else None,
                robust_p=robust.p if robust else None,
                alike_low=alike.low if alike else None,
                alike_high=alike.high if alike else None,
                alike_p=alike.p if alike else None,
                interval=judged.comparison.interval,
                seed_error=delta.seed_se if delta else None,
                image_error=delta.image_se if delta else None,
            )
        )
    return rows


def _verdict(variant: ComparedVariant, judged: Judged) -> str:
    if variant.untested:
        return "untested"
    if variant is judged.variants[0]:
        return "reference"
    delta = judged.delta(variant)
    return delta.verdict if delta else "no verdict"
