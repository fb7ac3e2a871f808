"""What the statistics say of each variant's difference to the reference. Without torch."""

from __future__ import annotations

import base64
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from fuseablate.io.display import Displayed
from fuseablate.report.comparison import ComparedVariant, Comparison, UneditedTable
from fuseablate.runs import Record

if TYPE_CHECKING:
    from fuseablate.stats import Analysis, Basis, Delta

# What intervals cover: the error of the seeds, or of the test images as well.
IntervalKind = Literal["seeds", "both"]
VERDICT_MARKS = {
    "better": "▲", "worse": "▼", "same": "≈", "unclear": "?", "no claim": "·", "no verdict": "!",
}  # fmt: skip
ANY_SPREADS = "whatever the spreads"  # such a verdict has its mark twice


@dataclass(frozen=True, kw_only=True)
class AnalysedVariant(Displayed, view="fuseablate.report.screen:print_variant"):
    """A variant with its scores, its difference to the reference, and the verdict on it."""

    variant: ComparedVariant
    reference: ComparedVariant
    cost_base: ComparedVariant | UneditedTable | None
    """What its costs are compared with, where that is known."""
    scores: Mapping[int, float]
    """The metric in percent, by seed."""
    delta: Delta | None
    """The difference to the reference; None for the reference, and where nothing is compared."""

    @property
    def mean(self) -> float | None:
        return statistics.mean(self.scores.values()) if self.scores else None

    @property
    def sd(self) -> float | None:
        """The standard deviation of the sample, over seeds."""
        return statistics.stdev(self.scores.values()) if len(self.scores) > 1 else None

    @property
    def span(self) -> tuple[float, float] | None:
        """The interval of the difference, drawn around the variant's own mean."""
        delta, mean = self.delta, self.mean
        if delta is None or delta.interval is None or delta.mean is None or mean is None:
            return None
        around = mean - delta.mean
        return around + delta.interval.low, around + delta.interval.high

    @property
    def verdict(self) -> str:
        if self.variant.untested:
            return "untested"
        if self.variant is self.reference:
            return "reference"
        return self.delta.verdict if self.delta else "no verdict"

    @property
    def holds(self) -> str:
        """When the verdict holds, in words; empty where it claims nothing."""
        return self.delta.holds if self.delta else ""

    @property
    def why(self) -> str:
        """Why there is no verdict though runs have ended, in words; empty where there may be."""
        if self.variant.diverged or not self.reference.diverged:
            return self.variant.diverged
        return _of_reference(self.reference)

    @property
    def marked(self) -> str:
        return marked(self.verdict, self.holds)


def _of_reference(reference: ComparedVariant) -> str:
    return reference.diverged.replace(" diverged", " of the reference diverged")


def marked(verdict: str, holds: str) -> str:
    """Return a verdict behind its mark, twice where it holds whatever the spreads."""
    return (
        f"{VERDICT_MARKS.get(verdict, '') * (2 if holds == ANY_SPREADS else 1)} {verdict}".strip()
    )


@dataclass(frozen=True, kw_only=True)
class SectionStatistics:
    """How some variants were compared with their reference, and what could have been seen."""

    matters: float
    """The smallest difference that matters, in points."""
    interval: IntervalKind
    analysis: Analysis | None = None
    """None where there is nothing to compare."""
    smallest: Mapping[Basis, float] = field(default_factory=dict)
    """The difference seen in 4 of 5 cases, of the error of the seeds alone."""
    needed: Mapping[Basis, tuple[int, int]] = field(default_factory=dict)
    """From how many to how many seeds would see the smallest difference that matters."""

    @property
    def deltas(self) -> tuple[Delta, ...]:
        return self.analysis.deltas if self.analysis else ()

    @property
    def reach(self) -> float:
        """How far from zero the widest interval reaches: the scale of the bars."""
        return reach_of(self.deltas)


def reach_of(deltas: Sequence[Delta]) -> float:
    """Return how far from zero the widest interval of a table reaches."""
    ends = [abs(end) for d in deltas for end in (d.low, d.high, d.mean) if end is not None]
    return max(ends, default=0.0) or 1.0


def analyse_variants(
    comparison: Comparison,
    variants: Sequence[ComparedVariant],
    metric: str,
    asked: SectionStatistics,
) -> tuple[tuple[AnalysedVariant, ...], SectionStatistics]:
    """Compare each of some variants of a comparison with the first of them, the reference.

    asked: what matters, and the kind of the intervals.
    """
    statistics = _statistics(comparison, variants, metric, asked)
    deltas = {delta.variant: delta for delta in statistics.deltas}
    analysed = tuple(
        AnalysedVariant(
            variant=variant,
            reference=variants[0],
            cost_base=comparison.cost_base,
            scores=dict(sorted(variant.scores(metric).items())),
            delta=deltas.get(variant.key),
        )
        for variant in variants
    )
    return analysed, statistics


def _statistics(
    comparison: Comparison,
    variants: Sequence[ComparedVariant],
    metric: str,
    asked: SectionStatistics,
) -> SectionStatistics:
    if len(variants) < 2 or comparison.untested:
        return asked
    from fuseablate import stats

    reference, matters = variants[0], asked.matters
    whole = [variant for variant in variants if not variant.diverged]
    if reference.diverged or len(whole) < 2:
        why = "No verdict: every variant but the reference has a run that diverged."
        if reference.diverged:
            why = f"No verdict: {_of_reference(reference)}."
        return replace(asked, analysis=stats.Analysis(reference.key, (), "no result", why))
    scores = {variant.key: variant.scores(metric) for variant in whole}
    rights = None
    if metric == "test_top1":  # of which records hold the result of each image
        rights = {
            variant.key: {run.seed: _right(run) for run in variant.finished} for variant in whole
        }
    if comparison.looks:
        seeds = {variant.key: len(variant.seeds) for variant in whole}
        analysis = stats.analyse_looks(
            scores, reference.key, comparison.looks, rights, matters=matters, asked=seeds
        )
    else:
        # Of those to come too, so that what is claimed meanwhile still holds at the end.
        planned = sum(len(variant.seeds) > 1 for variant in whole[1:])
        analysis = stats.analyse_scores(
            scores, reference.key, rights, matters=matters, comparisons=planned
        )
    smallest = {basis: stats.smallest(analysis, basis) for basis in stats.BASES}
    needed = {basis: stats.seeds_needed(analysis, matters, basis) for basis in stats.BASES}
    return replace(
        asked,
        analysis=stats.widened(analysis) if asked.interval == "both" else analysis,
        smallest={basis: size for basis, size in smallest.items() if size},
        needed={basis: seeds for basis, seeds in needed.items() if seeds},
    )


def _right(run: Record) -> Any:
    """Return for each test image whether the run is right about it."""
    import numpy as np

    assert run.test
    packed = np.frombuffer(base64.b64decode(run.test.right), dtype=np.uint8)
    return np.unpackbits(packed)[: run.test.images]
