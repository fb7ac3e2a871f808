"""A plan carried out: on the local engine, by Optuna's trials, with W&B, to the report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from optuna.storages import BaseStorage
from pydantic import Field

from fuseablate import stats
from fuseablate.engines import LocalEngine, Workers, most_workers, usable_cores
from fuseablate.errors import InputError
from fuseablate.io.atomic import write_atomically
from fuseablate.io.checked import read_as
from fuseablate.io.escaping import masked, plain
from fuseablate.io.reading import MissingError
from fuseablate.io.terminal import console
from fuseablate.report import of_study
from fuseablate.report.screen import comparison_rows, print_report
from fuseablate.runs import MANIFEST, Searched, Store, held
from fuseablate.seeds import SeedPlan
from fuseablate.studies.drive import Driver, new_board
from fuseablate.studies.fixed import FixedWork
from fuseablate.studies.looks import Undecided, asked
from fuseablate.studies.outline import Names, manifest_of, measured_latencies, searched, seen_before
from fuseablate.studies.plan import Plan, PlannedRun
from fuseablate.studies.remote import Patience
from fuseablate.studies.screens.live import suited_view
from fuseablate.studies.search.finalists import random_search, run_search
from fuseablate.studies.trials import Trials, distributions_of, open_storage, open_study
from fuseablate.studies.tuning.tuned import run_tuning, tuned
from fuseablate.tracking import Mode, Tracker


def execute(
    plan: Plan,
    store: Store,
    workers: Workers,
    mode: Mode,
    *,
    retries: int = 2,
    storage: str | None = None,
) -> int:
    """Carry a plan out on the local engine and print its report; 1 where a run has no result."""
    study, folder = plan.study, plan.folder(store)
    out = console()
    with held(folder, study.name):
        wanted, workers = workers, as_begun(folder, workers)
        if workers != wanted:
            out.print(
                f"going on with {workers.threads} CPU threads a run, as the study began (asked "
                f"for: {wanted.threads}); workers: {workers.count}",
                soft_wrap=True,
            )
        known = tuned(plan, store)
        now = asked(known or plan, store.get)
        if known and not study.search and all(run.record(store) for run in now.runs):
            out.print(f"finished: all {len(now.runs)} runs are in the store, none is trained")
        opened = open_storage(storage, folder)
        seen = seen_before(plan, folder, store)
        manifest = manifest_of(known or plan, now.runs if known else (), seen=seen)
        if not (study.search and (folder / MANIFEST).exists()):
            manifest.save(folder)
        engine = LocalEngine(
            workers.devices, workers.per_device, retries=retries, log=folder / "workers.log"
        )
        tracker = Tracker(mode, study.name, folder.name.rpartition("-")[2], folder)
        latencies: dict[Names, float] = {}
        board = new_board(plan, workers.count)
        try:
            with suited_view(out) as view:
                driver = Driver(plan, store, engine, tracker, view, board, workers.threads)
                if isinstance(opened, Patience):
                    opened.say = driver.note
                runs, did = carry_out(driver, opened, folder.name, seen)
            if study.search and "latency" in study.search.objectives:
                latencies = measured_latencies(plan, runs, engine, folder)
            manifest = manifest_of(driver.plan, runs, did, latencies, seen)
            manifest.save(folder)
            records = [record for run in runs if (record := run.record(store))]
            comparison = of_study(manifest, store.get)
            tracker.tables({"comparison": comparison_rows(comparison)})
        except KeyboardInterrupt:
            out.print(
                f"stopped with {board.count('done', 'failed')} of {len(board.lines)} runs ended; "
                "the same command goes on from here"
            )
            raise
        finally:
            engine.close()
            for left in tracker.close():
                print(plain(left))
    print_report([comparison], out)
    trials = masked(storage) if storage else folder / "journal.log"
    out.print(f"Folder: {folder}; Optuna: optuna-dashboard {trials}", style="dim")
    # A trial that diverges is a result of a search; a finalist that does has none.
    return 1 if board.count("lost") or any(record.failure for record in records) else 0


@dataclass(frozen=True)
class _Begun:
    """What `plan.json` keeps of a study's first start."""

    threads: Annotated[int, Field(ge=1)]


def as_begun(folder: Path, workers: Workers) -> Workers:
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
    count = workers.per_device
    if workers.devices == ("cpu",):
        count = min(count, most_workers(threads, usable_cores()))
    return Workers(workers.devices, count, threads)


def carry_out(
    driver: Driver, storage: BaseStorage, name: str, seen: Sequence[SeedPlan]
) -> tuple[Sequence[PlannedRun], Searched | None]:
    """Run a study; return the runs that are compared, and what it did where it is a search.

    There are none to be compared where runs of its tuning were given up.
    """
    plan = driver.plan
    if search := plan.study.search:
        found, runs = run_search(driver, search, storage, name)
        random = random_search(driver, search, storage, name) if search.compare_random else None
        return runs, searched(search, found, runs, len(plan.study.seeds.each), random)
    if plan.study.tune:
        found_plan = run_tuning(driver, plan.study.tune, storage, name)
        if found_plan is None:
            return (), None
        driver.plan = plan = found_plan
        manifest_of(plan, plan.runs, seen=seen).save(driver.folder)
    trials = Trials(open_study(name, storage), distributions_of(plan.design))
    if not plan.seeds.looks:
        driver.run(FixedWork(plan, plan.runs, driver.store, trials))
        return plan.runs, None
    look = Looking(driver, seen)
    driver.run(FixedWork(plan, look(), driver.store, trials, look))
    return look(), None


@dataclass
class Looking:
    """Asks which runs there are to be by now, and files and says what came of the last look."""

    driver: Driver
    seen: Sequence[SeedPlan]
    undecided: Undecided = stats.undecided
    said: str = ""

    def __call__(self) -> Sequence[PlannedRun]:
        """Return the runs, those before among them."""
        driver = self.driver
        now = asked(driver.plan, driver.store.get, self.undecided)
        for run in now.runs:
            driver.line(run)
        driver.board.possible = len(now.later)
        manifest_of(driver.plan, now.runs, seen=self.seen).save(driver.folder)
        if now.said != self.said:
            self.said = now.said
            driver.view.say(now.said)
        return now.runs
