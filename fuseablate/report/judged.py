"""A comparison with its statistics: every variant against the reference. Without torch."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fuseablate.record import Record
from fuseablate.report.model import Comparison, Variant

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
    smallest difference that matters.
    """

    comparison: Comparison
    variants: tuple[Variant, ...]
    metric: str
    analysis: Analysis | None
    smallest: Mapping[Basis, float]
    needed: Mapping[Basis, tuple[int, int]]

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
        return Judged(comparison, some, metric, None, {}, {})
    from fuseablate.stats import BASES, analyse, seeds_needed, smallest

    scores = {variant.key: variant.scores(*METRICS[metric]) for variant in some}
    rights = None
    if metric == "test_top1":
        rights = {
            variant.key: {run.seed: _right(run) for run in variant.finished} for variant in some
        }
    matters = comparison.matters
    analysis = analyse(scores, some[0].key, rights, matters=matters)
    seen = {basis: size for basis in BASES if (size := smallest(analysis, basis))}
    needed = {basis: n for basis in BASES if (n := seeds_needed(analysis, matters, basis))}
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
