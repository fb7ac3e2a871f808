"""A search from its first trial to its finalists, which alone are judged. Without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from fuseablate.space import Space
from fuseablate.studies.design import Variant
from fuseablate.studies.drive import Driver
from fuseablate.studies.fixed import FixedWork
from fuseablate.studies.plan import PlannedRun
from fuseablate.studies.schema import Search
from fuseablate.studies.search.sampler import directions_of, distribution_of
from fuseablate.studies.search.scheduler import NETWORK, SearchWork, seeds_of
from fuseablate.studies.trials import Trials, open_study


def run_search(
    driver: Driver, search: Search, storage: BaseStorage, name: str
) -> tuple[Trials, tuple[PlannedRun, ...]]:
    """Search, then train the finalists and the baseline on fresh seeds.

    Return the trials of the search, and the runs that its report compares. `name` is that of
    the Optuna study; the finalists are trials of another one, `<name>-finalists`.
    """
    plan = driver.plan
    base = plan.design.reference
    space, trials = _opened(base, search, storage, name)
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


def random_search(driver: Driver, search: Search, storage: BaseStorage, name: str) -> Trials:
    """Train as many random trials as the search has, for comparison; none becomes a finalist.

    They are those of a third Optuna study, `<name>-random`. A network that the search had too is
    not trained again.
    """
    name = f"{name}-random"
    space, trials = _opened(driver.plan.design.reference, search, storage, name)
    drawn = search.replace(sampler="random", compare_random=False)
    driver.run(SearchWork(driver, drawn, space, trials, name, called="random trial"))
    return trials


def _opened(base: Variant, search: Search, storage: BaseStorage, name: str) -> tuple[Space, Trials]:
    """Return the space of a search, and the trials of the Optuna study of that name."""
    space = Space.of(base.spec, search.parameters, base.recipe)
    study = open_study(name, storage, directions_of(search))
    return space, Trials(study, {one.name: distribution_of(one) for one in space.parameters})


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
