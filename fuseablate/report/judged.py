"""A comparison with its statistics: every variant against the reference. Without torch."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fuseablate.report.comparison import ComparedVariant, Comparison
from fuseablate.runs import Record

if TYPE_CHECKING:
    from fuseablate.stats import Analysis, Basis, Delta

METRICS: Mapping[str, tuple[str, str]] = {
    "test_top1": ("test", "top1"),
    "test_top5": ("test", "top5"),
    "val_top1": ("val", "top1"),
    "val_top5": ("val", "top5"),
}


@dataclass(frozen=True)
class Judged:
    """Some variants of a comparison, the reference first, with their scores and deltas.

    analysis is None where there is nothing to compare. smallest: the difference seen in 4 of
    5 cases, by what its intervals rest on; needed: from how many to how many seeds would see the
    smallest difference that matters. Both are of the error of the seeds alone.
    """

    comparison: Comparison
    variants: tuple[ComparedVariant, ...]
    metric: str
    analysis: Analysis | None
    smallest: Mapping[Basis, float]
    needed: Mapping[Basis, tuple[int, int]]

    @property
    def title(self) -> str:
        """The metric as a heading: `Test top-1`."""
        part, measure = METRICS[self.metric]
        return f"{part.capitalize()} {measure.replace('top', 'top-')}"

    def scores(self, variant: ComparedVariant) -> list[float]:
        """Return a variant's scores in percent, by seed."""
        return [score for _, score in sorted(variant.scores(*METRICS[self.metric]).items())]

    def delta(self, variant: ComparedVariant) -> Delta | None:
        """Return a variant's difference to the reference; None for the reference."""
        every = self.analysis.deltas if self.analysis else ()
        return next((delta for delta in every if delta.variant == variant.key), None)

    def why_none(self, variant: ComparedVariant) -> str:
        """Return why a variant that was trained has no verdict, in words; empty where it may."""
        base = self.variants[0]
        if variant.diverged or not base.diverged:
            return variant.diverged
        return f"{base.diverged} of the reference"


def judge(
    comparison: Comparison,
    metric: str = "test_top1",
    variants: Sequence[ComparedVariant] | None = None,
) -> Judged:
    """Compare each of the variants (the raw ones by default) with the reference.

    Untested ones have their validation score in place of the metric's, and are not compared:
    what was chosen by is too high for those that were chosen.
    """
    some = tuple(variants if variants is not None else comparison.raw)
    if comparison.untested:
        metric = metric.replace("test", "val")
    if len(some) < 2 or comparison.untested:
        return Judged(comparison, some, metric, None, {}, {})
    from fuseablate.stats import (
        BASES,
        Analysis,
        analyse,
        analyse_looks,
        seeds_needed,
        smallest,
        widened,
    )

    whole = [variant for variant in some if not variant.diverged]
    if some[0].diverged or len(whole) < 2:
        why = "No verdict: of each variant but the reference some run diverged."
        if some[0].diverged:
            why = f"No verdict: of the reference {some[0].diverged}."
        return Judged(comparison, some, metric, Analysis(some[0].key, (), "no result", why), {}, {})
    scores = {variant.key: variant.scores(*METRICS[metric]) for variant in whole}
    rights = None
    if metric == "test_top1":
        rights = {
            variant.key: {run.seed: _right(run) for run in variant.finished} for variant in whole
        }
    matters = comparison.matters
    if comparison.looks:
        asked = {variant.key: len(variant.seeds) for variant in whole}
        analysis = analyse_looks(
            scores, some[0].key, comparison.looks, rights, matters=matters, asked=asked
        )
    else:
        analysis = analyse(scores, some[0].key, rights, matters=matters)
    seen = {basis: size for basis in BASES if (size := smallest(analysis, basis))}
    needed = {basis: n for basis in BASES if (n := seeds_needed(analysis, matters, basis))}
    if comparison.interval == "both":
        analysis = widened(analysis)
    return Judged(comparison, some, metric, analysis, seen, needed)


def views(comparison: Comparison, metric: str = "test_top1") -> list[Judged]:
    """Judge the variants as they are and, where a study has them, those at equal cost."""
    found = [judge(comparison, metric)]
    return [*found, judge(comparison, metric, comparison.iso)] if comparison.iso else found


def _right(run: Record) -> Any:
    import numpy as np

    assert run.test
    packed = np.frombuffer(base64.b64decode(run.test.right), dtype=np.uint8)
    return np.unpackbits(packed)[: run.test.images]
