"""A comparison with its statistics: every variant against the reference. Without torch."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fuseablate.record import Record
from fuseablate.report.model import Comparison, Variant

if TYPE_CHECKING:
    from fuseablate.stats import Analysis, Delta

METRICS: Mapping[str, tuple[str, str]] = {
    "test_top1": ("test", "top1"),
    "test_top5": ("test", "top5"),
    "val_top1": ("val", "top1"),
    "val_top5": ("val", "top5"),
}


@dataclass(frozen=True)
class Judged:
    """Some variants of a comparison, the reference first, with their scores and deltas.

    analysis is None where there is nothing to compare. power holds the smallest difference
    that would have been seen, where that can be said.
    """

    comparison: Comparison
    variants: tuple[Variant, ...]
    metric: str
    analysis: Analysis | None
    smallest: float | None

    @property
    def title(self) -> str:
        """The metric as a heading: `Test top-1`."""
        part, measure = METRICS[self.metric]
        return f"{part.capitalize()} {measure.replace('top', 'top-')}"

    def scores(self, variant: Variant) -> list[float]:
        """Return a variant's scores in percent, by seed."""
        return [score for _, score in sorted(variant.scores(*METRICS[self.metric]).items())]

    def delta(self, variant: Variant) -> Delta | None:
        """Return a variant's difference to the reference; None for the reference."""
        every = self.analysis.deltas if self.analysis else ()
        return next((delta for delta in every if delta.variant == variant.key), None)


def judge(
    comparison: Comparison, metric: str = "test_top1", variants: Sequence[Variant] | None = None
) -> Judged:
    """Compare each of the variants (the raw ones by default) with the reference."""
    some = tuple(variants if variants is not None else comparison.raw)
    if len(some) < 2:
        return Judged(comparison, some, metric, None, None)
    from fuseablate.stats import analyse
    from fuseablate.stats.power import smallest

    scores = {variant.key: variant.scores(*METRICS[metric]) for variant in some}
    rights = None
    if metric == "test_top1":
        rights = {
            variant.key: {run.seed: _right(run) for run in variant.finished} for variant in some
        }
    analysis = analyse(scores, some[0].key, rights)
    return Judged(comparison, some, metric, analysis, smallest(analysis))


def views(comparison: Comparison, metric: str = "test_top1") -> list[Judged]:
    """Judge the variants as they are and, where a study has them, those at equal cost."""
    found = [judge(comparison, metric)]
    return [*found, judge(comparison, metric, comparison.iso)] if comparison.iso else found


def _right(run: Record) -> Any:
    import numpy as np

    assert run.test
    packed = np.frombuffer(base64.b64decode(run.test.right), dtype=np.uint8)
    return np.unpackbits(packed)[: run.test.images]
