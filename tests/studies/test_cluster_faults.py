"""A study on a Ray cluster whose driver is killed, and whose head goes, ends as on one machine."""

from __future__ import annotations

import os
import re
import signal
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from fuseablate.runs.store import Store
from fuseablate.runs.unfinished import newest_checkpoint
from tests.helpers.diaries import read_diary
from tests.helpers.equal_runs import check_equal, check_weights
from tests.helpers.processes import alive, command_of, processes, reads_proc, wait_until
from tests.helpers.ray_cluster import cluster
from tests.helpers.study_process import exit_code, start, start_study, write_study

pytest.importorskip("ray")
pytestmark = [reads_proc, pytest.mark.slow, pytest.mark.timeout(900)]

NODES = ({"num_cpus": 0}, {"num_cpus": 1}, {"num_cpus": 1})
EPOCHS = 60


def drive(study: Path, runs: Path, address: str) -> BaseProcess:
    flags = ["--engine", "ray", "--address", address, "--checkpoint-seconds", "0"]
    where = ["--runs", str(runs), "--wandb", "off"]
    return start("study", "run", study, *where, *flags, output=Path(f"{runs}.log"),
                 module="tests.helpers.counting_worker")  # fmt: skip


def trainers(diary: Path) -> list[int]:
    """Return the workers that keep their diaries there."""

    def is_one(pid: int) -> bool:
        try:
            return f"DIARY={diary}".encode() in Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            return False

    titles = ((pid, "".join(command_of(pid)[:1])) for pid in processes())
    return [pid for pid, title in titles if title.startswith("ray::Trainer") and is_one(pid)]


def epochs_saved(runs: Path) -> dict[str, int]:
    """Return how many epochs the newest checkpoint of each run has, by the run's folder."""
    folders = (path for path in runs.iterdir() if re.fullmatch("[0-9a-f]{16}", path.name))
    checkpoints = {folder.name: newest_checkpoint(folder) for folder in folders}
    return {name: saved.epochs for name, saved in checkpoints.items() if saved}


def begun(diary: Path) -> dict[str, list[int]]:
    """Return after which epochs the tries of each run began, by the run's folder."""
    return {
        path.name[:16]: [number for word, _, number in read_diary(path) if word == "begin"]
        for path in diary.iterdir()
    }


def test_a_study_outlives_its_driver_and_its_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = write_study(tmp_path, levels=1, epochs=EPOCHS)
    runs, alone, diary = tmp_path / "cluster", tmp_path / "alone", tmp_path / "diary"
    diary.mkdir()
    runs.mkdir()
    monkeypatch.setenv("DIARY", str(diary))

    def driven_until_saved(address: str, epochs: int) -> BaseProcess:
        driver = drive(study, runs, address)
        assert wait_until(lambda: max(epochs_saved(runs).values(), default=0) >= epochs)
        return driver

    with cluster(*NODES) as made:
        driver = driven_until_saved(made.address, 3)
        os.kill(driver.pid or 0, signal.SIGKILL)
        driver.join()
        assert wait_until(lambda: not trainers(diary))  # Ray ends them with their driver
        saved, before = epochs_saved(runs), begun(diary)
        assert any(saved.values())
        driver = driven_until_saved(made.address, max(saved.values()) + 3)
        # Nothing was lost that was saved, and nothing trained again that was. One run may be epochs
        # ahead before another has begun again.
        assert wait_until(
            lambda: all(len(begun(diary)[name]) > len(before[name]) for name in saved)
        )
        for name, epochs in saved.items():
            assert begun(diary)[name][len(before[name])] == epochs
        # Whoever may ask the cluster for its jobs learns nothing of the command's arguments.
        assert {job["Entrypoint"] for job in made.global_state.job_table()} == {"fuseablate"}
        made.remove_node(made.head_node, allow_graceful=False)
        assert exit_code(driver) == 2
        log = Path(f"{runs}.log").read_text()
        (line,) = [line for line in log.splitlines() if "is gone" in line]
        assert line.endswith("the same command goes on from there")
        assert "Traceback" not in log
        left = trainers(diary)
        assert wait_until(lambda: not any(map(alive, left)))
    with cluster(*NODES) as made:
        assert exit_code(drive(study, runs, made.address)) == 0, Path(f"{runs}.log").read_text()
        assert wait_until(lambda: not trainers(diary))

    monkeypatch.delenv("DIARY")
    assert exit_code(start_study(study, alone, Path(f"{alone}.log"))) == 0
    ones = {record.digest: record for record in Store(alone).records()}
    others = {record.digest: record for record in Store(runs).records()}
    assert others.keys() == ones.keys()
    for digest, record in ones.items():
        check_equal(record, others[digest])
        check_weights(Store(alone).folder(digest), Store(runs).folder(digest))
