"""Training curves of a variant over its seeds: the mean and the range of each epoch."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from fuseablate.runs import Record

# What is drawn, and what it is multiplied by: shares become percent.
MEASURES = {"val_top1": 100.0, "train_top1": 100.0, "val_loss": 1.0, "train_loss": 1.0}


@dataclass(frozen=True)
class Band:
    """One value an epoch: the mean, the lowest and the highest of the runs that reached it."""

    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def band(runs: Sequence[Record], measure: str) -> Band:
    """Return the band of one of `MEASURES`: accuracies in percent, losses as they are."""
    curves = [getattr(run.curves, measure) for run in runs]
    epochs = [
        [MEASURES[measure] * curve[at] for curve in curves if at < len(curve)]
        for at in range(max(map(len, curves), default=0))
    ]
    return Band(
        tuple(map(statistics.fmean, epochs)), tuple(map(min, epochs)), tuple(map(max, epochs))
    )
