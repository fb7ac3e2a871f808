"""Runs that are known beforehand: those of a design, look by look, or of a search's finalists."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import CategoricalDistribution
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from fuseablate import stats
from fuseablate.runs import Record, RunState, Store
from fuseablate.studies.design import levels_by_factor
from fuseablate.studies.driver import Driver
from fuseablate.studies.looks import Undecided, runs_due
from fuseablate.studies.manifest import Outcome, manifest_of
from fuseablate.studies.plan import Plan, PlannedRun
from fuseablate.studies.trials import OVER, SEEDS, TEST, VAL, Trials, open_study

Runs = Sequence[PlannedRun]


def run_design(
    driver: Driver, plan: Plan, storage: BaseStorage, undecided: Undecided = stats.undecided
) -> Outcome:
    """Train the variants of a plan, look by look where looks are planned.

    The manifest is saved before the runs of each look: a report of a study under way shows what is
    asked for by then.
    """
    # Of each variant's first combination, by which its trial goes.
    factors = levels_by_factor(variant.levels[0] for variant in plan.design.variants)
    accuracy = _accuracy(plan)
    study = open_study(driver.folder.name, storage, factors=factors, accuracy=accuracy)
    trials = Trials(
        study, {name: CategoricalDistribution(levels) for name, levels in factors.items()}
    )
    work = FixedWork(plan, driver.store, trials, together=driver.workers.stack > 1)
    due = runs_due(plan, driver.store.get, undecided)
    if all(run.record(driver.store) for run in due.runs):
        driver.view.say(f"finished: all {len(due.runs)} runs are in the store, none is trained")
    said = ""
    while True:
        driver.expect(due.runs, possible=len(due.later))
        manifest = manifest_of(plan, due.runs)
        manifest.save(driver.folder)
        if due.said != said:
            driver.view.say(said := due.said)
        if not work.add(due.runs, due.later):  # all are trained, or some were given up
            return Outcome(manifest, due.runs)
        driver.run(work)
        due = runs_due(plan, driver.store.get, undecided)


class FixedWork:
    """Runs in a given order, those that the store holds first; a trial for each variant.

    A variant's trial is filed when its last run has ended: Optuna lets no trial change after that.
    """

    def __init__(
        self,
        plan: Plan,
        store: Store,
        trials: Trials,
        runs: Runs = (),
        *,
        together: bool = False,
        params: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Take runs in; the seeds of a variant are given out one after another if `together`.

        `params` are the parameters of variants by their names; None: the levels of their factors.
        """
        self._plan, self._store, self._trials = plan, store, trials
        self._together, self._params = together, params
        self._top1: dict[str, dict[int, float | None]] = {}  # by variant and seed
        self._asked: dict[str, dict[str, int]] = {}  # the seeds of digests, by variant
        self._unsettled: set[str] = set()  # variants that a later look may give more runs
        self._waiting: deque[PlannedRun] = deque()
        self.add(runs)

    def add(self, runs: Runs, later: Runs = ()) -> bool:
        """Take in those of the runs that are new; return whether there are any.

        The trials of variants with runs in `later`, which may yet be asked for, are not filed.
        """
        self._unsettled = {run.variant.name for run in later}
        known = set().union(*self._asked.values())
        new = [run for run in runs if run.digest not in known]
        for run in new:
            self._asked.setdefault(run.variant.name, {})[run.digest] = run.seed
        for name, variant in {run.variant.name: run.variant for run in new}.items():
            seeds = self._asked[name].values()
            levels = variant.levels[0] if self._params is None else self._params[name]
            attributes = self._plan.attributes(variant)
            attributes |= {f"factor.{factor}": level for factor, level in levels.items()}
            self._trials.start(name, levels, attributes, seeds=seeds)
        for name in self._asked:
            self._file(name)
        names = list(self._asked) if self._together else []
        self._waiting.extend(
            sorted(
                new,
                key=lambda run: (
                    run.record(self._store) is None,
                    names.index(run.variant.name) if names else 0,
                ),
            )
        )
        return bool(new)

    def next(self) -> PlannedRun | None:
        return self._waiting.popleft() if self._waiting else None

    def epoch(self, run: PlannedRun, val_top1: Sequence[float]) -> bool:
        """Let every run go on to its end."""
        return False

    def ended(self, run: PlannedRun, state: RunState, record: Record | None) -> None:
        """File the trial of the variant whose last run has ended; a lost run may yet come."""
        if record is not None:
            score = record.val or record.test  # without validation nothing is chosen by it
            top1 = score.top1 if score else None
            self._top1.setdefault(run.variant.name, {})[run.seed] = top1
            self._file(run.variant.name)

    def _file(self, name: str) -> None:
        """File the trial of a variant, unless one of its runs is still to come."""
        top1 = self._top1.get(name, {})
        if name in self._unsettled or len(top1) < len(self._asked[name]):
            return
        values = [value for _, value in sorted(top1.items()) if value is not None]
        self._trials.finish(
            name,
            TrialState.COMPLETE if values else TrialState.FAIL,
            [statistics.mean(values)] if values else None,
            {
                OVER: sorted(top1),
                SEEDS: f"{len(values)} of {len(top1)}",
                _accuracy(self._plan): values,
            },
        )


def _accuracy(plan: Plan) -> str:
    """Return what trials are filed with: the test's only where there is no validation."""
    return VAL if len(plan.data.val) else TEST
