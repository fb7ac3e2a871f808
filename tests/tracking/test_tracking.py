"""W&B tracking without a network: what is written can be read back, whatever was killed."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fuseablate.tracking import Tracker
from tests.helpers.processes import reads_proc, wait_until
from tests.helpers.tracked_runs import (
    CURVES,
    SPEC,
    STUDY,
    check_epochs,
    curves,
    inspect,
    process_of,
    put,
    put_failed,
    summary,
    tracked,
    tracker_processes,
)

PAGE = "<!doctype html><title>a report</title>"


@pytest.fixture(autouse=True)
def _no_login(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)


def test_every_run_is_complete_in_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live, stored = tracked("a" * 64), tracked("b" * 64, seed=2)
    tracker = Tracker("offline", "a study", STUDY, tmp_path)
    tracker.started(live)
    tracker.epoch(live.key, curves(1))
    tracker.started(stored)  # a run that the store holds: no epochs, just the record
    tracker.finished(stored.key, put(tmp_path, stored.key, 4))
    tracker.epoch(live.key, curves(3))
    tracker.finished(live.key, put(tmp_path, live.key, 4))
    tracker.tables({"comparison": (["variant", "top-1"], [["se=off", 0.21]])}, lambda: PAGE)
    broken = tracked("9" * 64)
    tracker.started(broken)
    tracker.finished(broken.key, put_failed(tmp_path, broken.key))
    assert tracker.close(60) == ()

    records = inspect(tmp_path, broken.key)
    check_epochs(records, 2)
    assert summary(records)["status"] == "failed"
    assert [line["exit"]["exit_code"] for line in records if line["type"] == "exit"] == [1]
    for run in (live, stored):
        records = inspect(tmp_path, run.key)
        check_epochs(records, 4)
        (begun,) = [line["run"] for line in records if line["type"] == "run"]
        assert begun["run_group"] == "a study"
        assert begun["job_type"] == "se=off"
        assert begun["display_name"] == f"se=off seed {run.seed}"
        config = begun["config"]["update"]
        assert config["spec"] == SPEC
        assert config["edits"] == ["5-8.se=off"]
        assert (config["variant"], config["aliases"]) == ("se=off", ["squeeze=0"])
        assert (config["se"], config["factor.seed"]) == ("off", 3)  # a name of our own is kept
        assert (config["seed"], config["params"], config["macs"]) == (run.seed, 1234, 56789)
        said = summary(records)
        assert said["final/test_top1"] == 0.21
        assert said["final/val_top5"] == 0.5
        assert any(key.startswith("spec.") for key in said)
        assert [line["exit"]["exit_code"] for line in records if line["type"] == "exit"] == [0]
    tables = list(tmp_path.glob("wandb/offline-run-*/files/media/table/comparison_*.table.json"))
    assert [json.loads(path.read_text())["data"] for path in tables] == [[["se=off", 0.21]]]

    study = inspect(tmp_path, hashlib.sha256(STUDY.encode()).hexdigest())
    artifacts = [line["artifact"] for line in study if line["type"] == "artifact"]
    assert ("report", "a-study-55555555-report") in [(a["type"], a["name"]) for a in artifacts]

    again = Tracker("offline", "a study", STUDY, tmp_path)
    again.started(live)
    again.finished(live.key, put(tmp_path, live.key, 4))
    again.tables({"comparison": (["variant", "top-1"], [["se=off", 0.21]])}, lambda: PAGE)
    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", None)  # all is there: no tracker is started
        assert again.close(1) == ()


def test_a_pruned_run_is_ended_with_its_epochs(tmp_path: Path) -> None:
    key = "b" * 64
    tracker = Tracker("offline", "search", STUDY, tmp_path)
    tracker.started(tracked(key))
    tracker.epoch(key, curves(2))
    tracker.pruned(key)
    assert tracker.close() == ()
    records = inspect(tmp_path, key)
    check_epochs(records, 2)
    assert summary(records)["status"] == "pruned"
    assert [line["exit"]["exit_code"] for line in records if line["type"] == "exit"] == [0]


@reads_proc
def test_a_killed_tracker_is_replaced_and_nothing_is_doubled(tmp_path: Path) -> None:
    run = tracked("c" * 64)
    tracker = Tracker("offline", "study", STUDY, tmp_path)
    tracker.started(run)
    tracker.epoch(run.key, curves(2))
    assert wait_until(lambda: len(list(tmp_path.glob("wandb/offline-run-*/*.wandb"))) == 1)
    first = process_of(tmp_path)
    os.kill(first, signal.SIGKILL)
    tracker.epoch(run.key, curves(3))
    assert wait_until(lambda: tracker_processes(tmp_path) not in ([], [first]))
    tracker.finished(run.key, put(tmp_path, run.key, 4))
    assert tracker.close(60) == ()
    check_epochs(inspect(tmp_path, run.key), 4)


PARENT = """
import os, signal, sys, time
from pathlib import Path
from fuseablate.tracking import Tracker
from tests.helpers.tracked_runs import STUDY, curves, process_of, tracked
tracker = Tracker("offline", "study", STUDY, Path(sys.argv[1]))
run = tracked("d" * 64)
tracker.started(run)
tracker.epoch(run.key, curves(2))
while not list(Path(sys.argv[1]).glob("wandb/offline-run-*/*.wandb")):
    time.sleep(0.05)
print(process_of(Path(sys.argv[1])), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@reads_proc
def test_a_killed_parent_leaves_no_tracker_and_the_next_start_completes(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    parent = subprocess.run(command, check=False, capture_output=True, text=True, timeout=180)
    assert parent.returncode == -signal.SIGKILL, parent.stderr
    orphan = Path("/proc") / parent.stdout.strip()
    assert wait_until(lambda: not orphan.exists() or " Z " in (orphan / "stat").read_text())

    run = tracked("d" * 64)
    check_epochs(inspect(tmp_path, run.key), 2)
    tracker = Tracker("offline", "study", STUDY, tmp_path)
    tracker.started(run)
    tracker.epoch(run.key, curves(3))
    tracker.finished(run.key, put(tmp_path, run.key, 4))
    assert tracker.close(60) == ()
    check_epochs(inspect(tmp_path, run.key), 4)


@reads_proc
def test_a_stopped_tracker_holds_nobody_up(tmp_path: Path) -> None:
    tracker = Tracker("offline", "study", STUDY, tmp_path)
    run = tracked("e" * 64)
    tracker.started(run)
    os.kill(process_of(tmp_path), signal.SIGSTOP)
    big = {name: values * 20000 for name, values in CURVES.items()}  # more than a pipe holds
    times = []
    for _ in range(100):
        started = time.monotonic()
        tracker.epoch(run.key, big)
        times.append(time.monotonic() - started)
    assert sorted(times)[50] < 0.005  # a busy machine may hold up one or another
    tracker.finished(run.key, put(tmp_path, run.key, 4))
    started = time.monotonic()
    (line, *_) = tracker.close(2)
    assert time.monotonic() - started < 30  # and not for ever
    # Of a study or of none, as those of `train`.
    assert line.startswith("W&B: 1 of 1 runs could not be sent; the same command again sends them")


def test_off_and_an_unwritable_folder_do_nothing(tmp_path: Path) -> None:
    off = Tracker("off", "study", STUDY, tmp_path / "off")
    (tmp_path / "file").write_text("")
    barred = Tracker("offline", "study", STUDY, tmp_path / "file")
    run = tracked("f" * 64)
    for tracker in (off, barred):
        tracker.started(run)
        tracker.epoch(run.key, curves(1))
        tracker.finished(run.key, tmp_path)
    assert off.close(1) == ()
    assert len(barred.close(5)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_parent_imports_neither_wandb_nor_torch() -> None:
    code = "import sys, fuseablate.tracking; print({'wandb', 'torch'} & sys.modules.keys())"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert shown.stdout.strip() == "set()"
