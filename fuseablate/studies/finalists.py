"""A search from its first trial to its finalists, which alone are judged. Without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from fuseablate.studies.drive import Driver
from fuseablate.studies.fixed import FixedWork
from fuseablate.studies.plan import PlannedRun
from fuseablate.studies.sampler import directions_of, distribution_of
from fuseablate.studies.search import NETWORK, SearchWork, seeds_of
from fuseablate.studies.search_tables import Search
from fuseablate.studies.space import Space
from fuseablate.studies.trials import Trials, open_study


def run_search(
    driver: Driver, search: Search, storage: BaseStorage | str, name: str
) -> tuple[Trials, tuple[PlannedRun, ...]]:
    """Search, then train the finalists and the baseline on fresh seeds.

    Return the trials of the search, and the runs that its report compares. `name` is that of
    the Optuna study; the finalists are trials of another one, `<name>-finalists`.
    """
    plan = driver.plan
    base = plan.design.reference
    space = Space.of(base.spec, search.parameters)
    distributions = {one.name: distribution_of(one) for one in space.parameters}
    study = open_study(name, storage, directions_of(search))
    trials = Trials(study, distributions)
    work = SearchWork(driver, search, space, trials, name)
    driver.run(work)
    variants = [base]
    for trial in finalists(search, trials, len(plan.study.seeds.each)):
        if trial.user_attrs[NETWORK] == base.spec.digest(plan.data.image_size):
            variants[0] = replace(base, names=(*base.names, f"trial {trial.number}"))
        else:
            variants.append(work.variant(trial.number))
    runs = plan.planned(variants, search.finalists.seeds)
    judged = Trials(open_study(f"{name}-finalists", storage))
    driver.run(FixedWork(plan, runs, driver.store, judged))
    return trials, runs


def finalists(search: Search, trials: Trials, seeds: int) -> Sequence[FrozenTrial]:
    """Return the best trials, or those of the front, by the means over all of so many seeds."""
    if len(search.objectives) > 1:
        front = trials.study.best_trials
        return [trial for trial in front if seeds_of(trial) == seeds]
    whole = [
        trial
        for trial in trials.all()
        if trial.state == TrialState.COMPLETE and seeds_of(trial) == seeds
    ]
    return sorted(whole, key=lambda trial: -trial.values[0])[: search.finalists.best]
