"""Which first seeds of a search end early, by the pruners of Optuna. Without torch.

A study of several objectives can't prune. So pruners judge in a study of their own, in memory,
that has the validation top-1 of the first seeds alone; it is rebuilt from records and curves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import optuna
from optuna.trial import TrialState


class Pruning:
    """Judges the first seed of each trial after each epoch; trials are begun by their numbers."""

    def __init__(self, kind: Literal["median", "hyperband"], epochs: int, name: str) -> None:
        self._epochs = epochs
        # A quarter of the run says little under a schedule that ends low.
        pruner: optuna.pruners.BasePruner = (
            optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=epochs // 4)
            if kind == "median"
            else optuna.pruners.HyperbandPruner(min_resource=1, max_resource=epochs)
        )
        self._study = optuna.create_study(
            study_name=name,  # Hyperband's brackets depend on it
            direction="maximize",
            sampler=optuna.samplers.RandomSampler(seed=0),
            pruner=pruner,
        )
        self._trials: list[optuna.Trial] = []
        self._epochs_told: list[int] = []

    def begin(self) -> None:
        """Take note of the next trial."""
        self._trials.append(self._study.ask())
        self._epochs_told.append(0)

    def epoch(self, number: int, val_top1: Sequence[float]) -> bool:
        """Take note of the curve so far, and return whether the run is to end here.

        It ends by any of the new epochs: a run that goes on from its checkpoint tells several.
        """
        ends = False
        for epoch in range(self._epochs_told[number] + 1, len(val_top1) + 1):
            self._trials[number].report(val_top1[epoch - 1], epoch)
            ends |= self._trials[number].should_prune()
        self._epochs_told[number] = max(self._epochs_told[number], len(val_top1))
        return ends and len(val_top1) < self._epochs

    def end(self, number: int, val_top1: Sequence[float], state: TrialState) -> None:
        """Take note of the whole curve of a first seed, and of how it ended."""
        self.epoch(number, val_top1)
        value = val_top1[-1] if state == TrialState.COMPLETE else None
        self._study.tell(self._trials[number], value, state=state)
