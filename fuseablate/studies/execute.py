"""A plan carried out: its order, what is opened for it, and what is closed whatever happens."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from optuna.storages import BaseStorage
from pydantic import Field

from fuseablate.engines import StartEngine, Workers, offer_data
from fuseablate.errors import InputError
from fuseablate.io.atomic import write_atomically
from fuseablate.io.checked import read_as
from fuseablate.io.reading import MissingError
from fuseablate.report import Comparison, analyse, of_study, run_table
from fuseablate.runs import Manifest, Record, Store, held
from fuseablate.studies.driver import Driver, View
from fuseablate.studies.fixed import run_design
from fuseablate.studies.manifest import Outcome, seen_before
from fuseablate.studies.plan import Plan
from fuseablate.studies.search import run_search
from fuseablate.studies.trials import open_storage
from fuseablate.studies.tuning import tune_and_compare
from fuseablate.tracking import Mode, Tracker


@dataclass(frozen=True)
class Result:
    """What a study came to."""

    folder: Path
    """Where all of it lies that is not a run."""
    manifest: Manifest
    records: tuple[Record, ...]
    """Of the runs that are compared: those of a search are its finalists'."""
    lost: int
    """How many runs were given up, a search's trials among them."""

    @property
    def complete(self) -> bool:
        """Whether all that is compared has a result; a trial of a search may diverge."""
        return not self.lost and not any(record.failure for record in self.records)


def execute(
    plan: Plan,
    store: Store,
    workers: Workers,
    view: View,
    start_engine: StartEngine,
    *,
    tracking: Mode = "off",
    retries: int = 2,
    storage: str | None = None,
) -> Result:
    """Carry a plan out, and return what came of it; what is done already is not done again.

    `storage` is the URL of an Optuna storage (None: a journal in the study's folder). Ctrl-C ends
    the engine and the tracker before it is passed on.
    """
    study, folder = plan.study, plan.folder(store)
    plan.check_teachers(store)
    with held(folder, study.name):
        workers = as_begun(folder, workers, view.say)
        plan = replace(plan, seen=seen_before(plan, folder, store))
        offer_data(plan.source, plan.data)
        engine = start_engine(workers, retries=retries, log=folder / "workers.log")
        tracker = Tracker(tracking, study.name, folder.name.rpartition("-")[2], folder)
        driver = Driver(plan, store, engine, tracker, view, workers)
        try:
            outcome = carry_out(driver, open_storage(storage, folder, driver.note))
            if tracking != "off":
                comparison = of_study(outcome.manifest, store.get)
                tracker.tables({"comparison": run_table(comparison)}, lambda: _page(comparison))
        except KeyboardInterrupt:
            view.say(
                f"stopped with {driver.status.settled} of {len(driver.status.lines)} runs ended; "
                "the same command goes on from here"
            )
            raise
        finally:
            engine.close()
            for line in tracker.close():
                view.say(line)
    records = (run.record(store) for run in outcome.runs)
    return Result(
        folder, outcome.manifest, tuple(filter(None, records)), driver.status.count("lost")
    )


def _page(comparison: Comparison) -> str:
    from fuseablate.report.files import WRITERS

    return WRITERS["html"]([analyse(comparison)])


def carry_out(driver: Driver, storage: BaseStorage) -> Outcome:
    """Have all runs of the driver's plan trained, in the way of its study."""
    study = driver.plan.study
    if study.search:
        return run_search(driver, study.search, storage)
    if study.tune:
        return tune_and_compare(driver, study.tune, storage)
    return run_design(driver, driver.plan, storage)


@dataclass(frozen=True)
class _Begun:
    """What `plan.json` keeps of a study's first start."""

    threads: Annotated[int, Field(ge=1)]


def as_begun(folder: Path, workers: Workers, say: Callable[[str], None]) -> Workers:
    """Return the workers with the threads that the study began with, which its results depend on.

    On a CPU there are then as many workers as the cores can serve.
    """
    path = folder / "plan.json"
    try:
        threads = read_as(_Begun, path, "what a study began with").threads
    except MissingError:
        write_atomically(path, json.dumps({"threads": workers.threads}) + "\n")
        return workers
    except InputError as error:
        raise InputError(f"{error}; remove it to begin anew") from None
    if threads == workers.threads:
        return workers
    begun = workers.with_threads(threads)
    say(
        f"going on with {threads} CPU threads a run, as the study began (asked for: "
        f"{workers.threads}); workers: {begun.count}"
    )
    return begun
