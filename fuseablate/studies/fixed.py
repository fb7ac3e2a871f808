"""The work of variants that are known from the start: a design, or the finalists of a search."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Sequence

from optuna.trial import TrialState

from fuseablate.record import Record
from fuseablate.runs import Store
from fuseablate.studies.board import RunState
from fuseablate.studies.plan import Plan, PlannedRun
from fuseablate.studies.trials import Trials


class FixedWork:
    """Runs in a given order, those that the store holds first; a trial for each variant."""

    def __init__(
        self, plan: Plan, runs: Sequence[PlannedRun], store: Store, trials: Trials
    ) -> None:
        self._trials = trials
        self._top1: dict[str, dict[int, float | None]] = {}
        self._asked: dict[str, int] = {}
        for run in runs:
            name = run.variant.names[0]
            if name not in self._asked:
                trials.start(name, run.variant.levels[0], plan.attributes(run.variant))
            self._asked[name] = self._asked.get(name, 0) + 1
        self._waiting = deque(sorted(runs, key=lambda run: store.get(run.digest) is None))

    def next(self) -> PlannedRun | None:
        """Return the next run."""
        return self._waiting.popleft() if self._waiting else None

    def epoch(self, run: PlannedRun, val_top1: Sequence[float]) -> bool:
        """Let every run go on to its end."""
        return False

    def ended(self, run: PlannedRun, state: RunState, record: Record | None) -> None:
        """File the trial of the variant whose last run has ended; a lost run may yet come."""
        if record is None:
            return
        name = run.variant.names[0]
        top1 = self._top1.setdefault(name, {})
        top1[run.seed] = record.val.top1 if record.val else None
        if len(top1) < self._asked[name]:
            return
        values = [value for _, value in sorted(top1.items()) if value is not None]
        self._trials.finish(
            name,
            TrialState.COMPLETE if values else TrialState.FAIL,
            [statistics.mean(values)] if values else None,
            {"seeds": f"{len(values)} of {len(top1)}", "val top-1": values},
        )
