"""A study killed with SIGKILL at random moments ends as if nothing had happened."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend, JournalStorage
from optuna.trial import FrozenTrial, TrialState

from fuseablate.runs.record import Record
from fuseablate.runs.store import Store
from tests.helpers.counting_worker import diary
from tests.helpers.diaries import IMAGES, check_life, read_diary
from tests.helpers.equal_runs import check_equal, check_weights
from tests.helpers.processes import alive, children_of, reads_proc, wait_until
from tests.helpers.study_process import start_study, write_study

pytestmark = reads_proc

TARGETS = ("a worker", "the workers", "the parent", "both")


def run_study(study: Path, runs: Path) -> BaseProcess:
    return start_study(study, runs, Path(f"{runs}.log"), "tests.helpers.counting_worker")


def news(runs: Path) -> int:
    """Return a number that grows with all that any worker trains."""
    return sum(path.stat().st_size for path in diary(runs).glob("*"))


@dataclass
class Killer:
    """Kills a study's processes at random moments; `victims` are workers that it ended."""

    study: Path
    runs: Path
    epoch: float  # seconds, about
    moments: random.Random
    kills: int = 0
    victims: int = 0

    def __post_init__(self) -> None:
        self.parent = run_study(self.study, self.runs)

    def strike(self) -> None:
        """Kill, and start what was killed again."""
        seen, began = news(self.runs), time.monotonic()
        if self.moments.random() < 0.25:  # any moment: imports, planning, Optuna
            time.sleep(self.moments.uniform(0, 2))
        else:  # while runs are trained
            assert wait_until(lambda: news(self.runs) > seen or not self.parent.is_alive())
            time.sleep(self.moments.uniform(0, 3 * self.epoch))
        assert self.parent.is_alive(), (
            f"ended with {self.parent.exitcode} after {self.kills} kills, "
            f"{time.monotonic() - began:.1f} s after the last one"
        )
        target = self.moments.choice(TARGETS)
        workers = children_of(self.parent.pid)
        if target == "a worker":
            workers = workers[:1] if self.moments.random() < 0.5 else workers[-1:]
        elif target == "both":
            workers = self.moments.sample(workers, len(workers))
        killed = [] if target == "the parent" else workers
        if target in ("the parent", "both"):
            killed.insert(0, self.parent.pid or 0)
        for pid in killed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.kills += bool(killed)
        self.victims += len(workers)
        if target in ("the parent", "both"):
            self.parent.join()
            # The workers of the last parent may still be at it when the next one starts.
            self.parent = run_study(self.study, self.runs)
            assert wait_until(lambda: not any(map(alive, workers))), "orphans go on"


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("kills", "levels", "epochs"),
    [
        pytest.param(3, 1, 12, id="4-runs"),
        pytest.param(24, 5, 24, id="12-runs", marks=pytest.mark.slow),
    ],
)
def test_a_study_killed_again_and_again_ends_bit_equal(
    tmp_path: Path, kills: int, levels: int, epochs: int
) -> None:
    study = write_study(tmp_path, levels=levels, epochs=epochs)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    parent = run_study(study, whole)
    parent.join()
    assert parent.exitcode == 0, Path(f"{whole}.log").read_text()
    expected = {record.digest: record for record in Store(whole).records()}
    assert len(expected) == 2 * (levels + 1)
    for path in diary(whole).iterdir():
        numbers = [number for word, _, number in read_diary(path) if word == "images"]
        assert sum(numbers) == epochs * IMAGES

    usual = statistics.median(
        seconds for undisturbed in expected.values() for seconds in undisturbed.curves.seconds
    )
    killer = Killer(study, killed, usual, random.Random(kills))
    while killer.kills < kills:
        killer.strike()
    killer.parent.join()
    assert killer.parent.exitcode == 0, Path(f"{killed}.log").read_text()

    others = {record.digest: record for record in Store(killed).records()}
    assert others.keys() == expected.keys()
    for digest, undisturbed in expected.items():
        check_equal(undisturbed, others[digest])
        check_weights(Store(whole).folder(digest), Store(killed).folder(digest))
    again = [check_life(diary(killed) / digest, epochs) for digest in expected]
    assert 0 <= sum(again) <= killer.victims * IMAGES
    check_trials(trials(whole), trials(killed), expected)
    print(
        f"{killer.kills} kills, {killer.victims} workers; {sum(again) / IMAGES:.1f} epochs trained "
        f"twice of {epochs * len(expected)}"
    )


def trials(runs: Path) -> list[FrozenTrial]:
    (folder,) = (runs / "studies").iterdir()
    storage = JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    return optuna.load_study(study_name=folder.name, storage=storage).trials


def check_trials(
    ones: list[FrozenTrial], others: list[FrozenTrial], records: dict[str, Record]
) -> None:
    """Check that each variant has its one trial, with the mean of what its runs reached."""
    means = sorted(mean for mean in variant_means(records))
    for filed in (ones, others):
        assert all(trial.state == TrialState.COMPLETE for trial in filed)
        assert sorted(trial.value or 0 for trial in filed) == pytest.approx(means)
    assert [(trial.params, trial.user_attrs, trial.value) for trial in ones] == [
        (trial.params, trial.user_attrs, trial.value) for trial in others
    ]
    assert len({trial.user_attrs["variant"] for trial in ones}) == len(ones)


def variant_means(records: dict[str, Record]) -> Iterator[float]:
    by_edits: dict[tuple[str, ...], list[float]] = {}
    for record in records.values():
        assert record.val is not None
        by_edits.setdefault(record.edits, []).append(record.val.top1)
    yield from (sum(tops) / len(tops) for tops in by_edits.values())
