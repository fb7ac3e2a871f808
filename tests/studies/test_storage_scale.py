"""Searches of four drivers in one database, each with many trials in flight."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from fuseablate.studies.execute import carry_out
from fuseablate.studies.trials import open_storage
from tests.helpers.instant_engine import InstantEngine, driver_of
from tests.helpers.postgres import Server, server
from tests.helpers.processes import wait_until
from tests.helpers.programs import Needs
from tests.helpers.searches import HEAD_3, KERNELS, rising, study_plan

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DRIVERS, IN_FLIGHT, TRIALS = 4, 32, 64
WIDTHS = """
[[search.parameters]]
name = "width"
kind = "categorical"
each = "fuse"
choices = [8, 16, 24, 32, 40]
edit = "{row}.exp={}"
"""


def drive(folder: Path, url: str, seed: int) -> None:
    folder.mkdir()
    body = f'sampler = "tpe"\nn_trials = {TRIALS}\nfinalists = {{ best = 2, seeds = [90] }}'
    # Other seeds make it a study of its own.
    head = HEAD_3.replace("seeds = [0, 1]", f"seeds = [{seed}]")
    plan = study_plan(folder, body, KERNELS + WIDTHS, head)
    engine = InstantEngine(rising, slots=IN_FLIGHT)
    driver = driver_of(plan, folder / "runs", engine)
    carry_out(driver, open_storage(url, driver.folder))
    (folder / "most").write_text(str(engine.most))


def states(database: Server) -> dict[str, list[TrialState]]:
    """Return the states of the trials of each study, by its name."""
    storage = open_storage(database.url, Path())
    names = [summary.study_name for summary in storage.get_all_studies()]
    studies = [optuna.load_study(study_name=name, storage=storage) for name in names]
    variants = {study.study_name: study.trials for study in studies}
    for trials in variants.values():
        counts = Counter(trial.user_attrs["variant"] for trial in trials)
        assert max(counts.values(), default=1) == 1, "a trial was filed twice"
    return {name: [trial.state for trial in trials] for name, trials in variants.items()}


def test_four_drivers_lose_nothing_to_a_restart(needs: Needs, tmp_path: Path) -> None:
    needs("initdb")
    context = multiprocessing.get_context("spawn")
    with server() as database:
        open_storage(database.url, Path())  # its tables
        drivers = [
            context.Process(target=drive, args=(tmp_path / str(seed), database.url, seed))
            for seed in range(DRIVERS)
        ]
        for driver in drivers:
            driver.start()

        def well_on_their_way() -> bool:
            counts = [len(trials) for trials in states(database).values()]
            return len(counts) == DRIVERS and min(counts) > IN_FLIGHT

        assert wait_until(well_on_their_way, 400)
        database.stop()
        assert any(driver.is_alive() for driver in drivers)
        time.sleep(3)
        database.start()
        for driver in drivers:
            driver.join(400)
            assert driver.exitcode == 0
        ended = states(database).values()
    assert {state for trials in ended for state in trials} == {TrialState.COMPLETE}
    # Each search has a study of its trials, and one of its two finalists and the baseline.
    assert sorted(map(len, ended)) == [3] * DRIVERS + [TRIALS] * DRIVERS
    assert [(tmp_path / str(seed) / "most").read_text() for seed in range(DRIVERS)] == ["32"] * 4
