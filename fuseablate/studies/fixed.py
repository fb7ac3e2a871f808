"""The work of variants that are known from the start: a design, or the finalists of a search."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable, Sequence

from optuna.trial import TrialState

from fuseablate.runs import Record, RunState, Store
from fuseablate.studies.plan import Plan, PlannedRun
from fuseablate.studies.trials import SEEDS, Trials

Runs = Sequence[PlannedRun]


class FixedWork:
    """Runs in a given order, those that the store holds first; a trial for each variant.

    `more`, asked whenever all have ended, returns the runs that there are to be by then; the
    same ones where there is nothing to add. A variant's trial is filed when its last run is.
    """

    def __init__(
        self,
        plan: Plan,
        runs: Runs,
        store: Store,
        trials: Trials,
        more: Callable[[], Runs] | None = None,
    ) -> None:
        self._plan, self._store, self._trials, self._more = plan, store, trials, more
        self._top1: dict[str, dict[int, float | None]] = {}
        self._asked: dict[str, set[str]] = {}
        self._going = 0  # runs that have begun and not ended
        self._waiting: deque[PlannedRun] = deque()
        self._add(runs)

    def next(self) -> PlannedRun | None:
        """Return the next run."""
        if not self._waiting and not self._going and self._more:
            added = self._add(self._more())
            for name in self._asked.keys() - added:
                self._file(name)
        if not self._waiting:
            return None
        self._going += 1
        return self._waiting.popleft()

    def epoch(self, run: PlannedRun, val_top1: Sequence[float]) -> bool:
        """Let every run go on to its end."""
        return False

    def ended(self, run: PlannedRun, state: RunState, record: Record | None) -> None:
        """File the trial of the variant whose last run has ended; a lost run may yet come."""
        self._going -= 1
        if record is None:
            return
        name = run.variant.names[0]
        self._top1.setdefault(name, {})[run.seed] = record.val.top1 if record.val else None
        if not self._more:
            self._file(name)

    def _add(self, runs: Runs) -> set[str]:
        """Take in the runs that are new, and return the names of their variants."""
        known = set().union(*self._asked.values())
        new = [run for run in runs if run.digest not in known]
        for run in new:
            self._asked.setdefault(run.variant.names[0], set()).add(run.digest)
        variants = {run.variant.names[0]: run.variant for run in new}
        for name, variant in variants.items():
            seeds = len(self._asked[name])
            self._trials.start(name, variant.levels[0], self._plan.attributes(variant), seeds=seeds)
        self._waiting.extend(sorted(new, key=lambda run: run.record(self._store) is None))
        return set(variants)

    def _file(self, name: str) -> None:
        """File the trial of a variant, unless one of its runs is still to come."""
        top1 = self._top1.get(name, {})
        if len(top1) < len(self._asked[name]):
            return
        values = [value for _, value in sorted(top1.items()) if value is not None]
        self._trials.finish(
            name,
            TrialState.COMPLETE if values else TrialState.FAIL,
            [statistics.mean(values)] if values else None,
            {SEEDS: f"{len(values)} of {len(top1)}", "val top-1": values},
        )
