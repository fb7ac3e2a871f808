"""A search from its first trial to its finalists, which alone are judged. Without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from fuseablate.errors import InputError
from fuseablate.runs import MANIFEST, Manifest
from fuseablate.space import Assignment, Space, unchanging
from fuseablate.studies.design import space_of
from fuseablate.studies.driver import Driver
from fuseablate.studies.fixed import FixedWork
from fuseablate.studies.manifest import Outcome, manifest_of
from fuseablate.studies.plan import PlannedRun
from fuseablate.studies.schema import Search
from fuseablate.studies.search.scheduler import NETWORK, SearchWork, seeds_of
from fuseablate.studies.search.summary import summary_of
from fuseablate.studies.trials import (
    KEY,
    Trials,
    distributions_of,
    number_of,
    open_study,
)


def run_search(driver: Driver, search: Search, storage: BaseStorage) -> Outcome:
    """Search, then train the finalists and the baseline on fresh seeds.

    There are up to three Optuna studies: that of the search, named as the study's folder; the
    finalists are trials of `<name>-finalists`, and random trials, which are trained for comparison
    where that is asked for, of `<name>-random`.
    """
    plan, name = driver.plan, driver.folder.name
    if not (driver.folder / MANIFEST).exists():  # else it says what was searched so far
        manifest_of(plan, plan.runs).save(driver.folder)
    driver.expect(plan.runs)
    work = _opened(driver, search, storage, name)
    random = None
    if search.compare_random:
        # Opened first of all: the trials of an earlier start are the study's even if this one ends
        # before it comes to them.
        drawn = search.replace(sampler="random", compare_random=False, points_to_evaluate=())
        random = _opened(driver, drawn, storage, f"{name}-random", called="random trial")
    others = random.possible if random else 0
    work.after = (search.finalists.best or 0) * len(search.finalists.seeds) + others
    driver.run(work)
    runs = _finalists(driver, search, work)
    driver.expect(runs, possible=others)
    space = _space(driver, search)
    judged = Trials(open_study(f"{name}-finalists", storage), distributions_of(space.parameters))
    params = _params(work, runs, unchanging(space))
    driver.run(FixedWork(plan, driver.store, judged, runs, params=params))
    if random:  # a network that the search had too is not trained again; none becomes a finalist
        driver.run(random)
    drawn_trials = random.trials if random else None
    points = [unchanging(space, point) for point in search.points_to_evaluate]
    seeds = len(plan.study.seeds.each)
    summary = summary_of(
        search, work.trials, runs, seeds, points=points, digests=work.digests, random=drawn_trials
    )
    timed = _latencies(driver, runs) if "latency" in search.objectives else {}
    manifest = manifest_of(plan, runs, summary, timed)
    manifest.save(driver.folder)
    return Outcome(manifest, runs)


def _opened(
    driver: Driver, search: Search, storage: BaseStorage, name: str, called: str = "trial"
) -> SearchWork:
    """Return the work of a search, whose trials are those of the Optuna study of that name."""
    study, space = open_study(name, storage, search.objectives), _space(driver, search)
    trials = Trials(study, distributions_of(space.parameters))
    return SearchWork(driver, search, space, trials, name, called=called)


def _space(driver: Driver, search: Search) -> Space:
    plan = driver.plan
    return space_of(plan.study, search, plan.design.reference, plan.data.image_size)


def _params(
    work: SearchWork, runs: Sequence[PlannedRun], own: Assignment
) -> dict[str, Mapping[str, Any]]:
    """Return the parameters of each finalist by the name of its variant; `own` of the baseline."""
    known = {trial.user_attrs[KEY]: trial.params for trial in work.trials.all()}
    return {
        run.variant.name: next((known[name] for name in run.variant.names if name in known), own)
        for run in runs
    }


def _finalists(driver: Driver, search: Search, work: SearchWork) -> tuple[PlannedRun, ...]:
    """Return the runs of the baseline and of the finalists, on seeds that the search has not seen.

    A trial that is the baseline's own network is another name of the baseline.
    """
    plan = driver.plan
    base = plan.design.reference
    network = base.spec.digest(plan.data.image_size)
    variants = [base]
    for trial in finalists(search, work.trials, len(plan.study.seeds.each)):
        if trial.user_attrs[NETWORK] == network:
            variants[0] = replace(base, names=(*base.names, trial.user_attrs[KEY]))
        else:
            variants.append(work.variant(number_of(trial)))
    return plan.planned(variants, search.finalists.seeds)


def finalists(search: Search, trials: Trials, seeds: int) -> Sequence[FrozenTrial]:
    """Return the best trials, or those of the front, by the means over all of so many seeds."""
    if len(search.objectives) > 1:
        own = {trial.number for trial in trials.all()}
        front = [trial for trial in trials.study.best_trials if trial.number in own]
        return [trial for trial in front if seeds_of(trial) == seeds]
    complete = [
        trial
        for trial in trials.all()
        if trial.state == TrialState.COMPLETE and seeds_of(trial) == seeds
    ]
    return sorted(complete, key=lambda trial: -trial.values[0])[: search.finalists.best]


def _latencies(driver: Driver, runs: Sequence[PlannedRun]) -> dict[str, float]:
    """Return the latency of each variant of these runs, all measured together.

    Those that an earlier start of the study measured of all of them are taken from its manifest:
    what is measured at different times cannot be compared.
    """
    specs = {run.variant.name: run.variant.spec for run in runs}
    with suppress(InputError):  # none has been written
        before = Manifest.load(driver.folder).variants
        known = {old.names[0]: old.latency for old in before if old.latency is not None}
        if specs.keys() <= known.keys():
            return {name: known[name] for name in specs}
    timed = driver.engine.latencies(list(specs.values()), driver.plan.data.image_size)
    return dict(zip(specs, timed, strict=True))
