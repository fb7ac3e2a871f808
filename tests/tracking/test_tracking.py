"""W&B tracking without a network: what is written can be read back, whatever was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fuseablate.runs.record import Curves, Failure, Record, Score, TestScore
from fuseablate.tracking import TrackedRun, Tracker

STUDY = "5" * 64
CURVES = {
    "lr": [0.1, 0.08, 0.04, 0.01],
    "train_loss": [4.5, 4.0, 3.5, 3.25],
    "train_top1": [0.01, 0.05, 0.1, 0.2],
    "val_loss": [4.25, 4.125, 3.75, 3.0],
    "val_top1": [0.02, 0.06, 0.11, 0.22],
    "seconds": [10.0, 9.0, 9.5, 9.25],
    "images_per_second": [1000.0, 1100.0, 1050.0, 1075.0],
}
METRICS = {"lr", "train/loss", "train/top1", "val/loss", "val/top1", "images_per_second"}
SPEC = {"name": "small", "rows": [{"id": "1", "op": "conv", "out": 8}, {"id": "2", "op": "pool"}]}


@pytest.fixture(autouse=True)
def _no_login(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)


def tracked(key: str, seed: int = 1) -> TrackedRun:
    costs = {"params": 1234, "macs": 56789}
    return TrackedRun(key, ("se=off",), seed, SPEC, ("5-8.se=off",), {"lr": 0.1}, costs)


def curves(epochs: int) -> dict[str, list[float]]:
    return {name: values[:epochs] for name, values in CURVES.items()}


def put(root: Path, key: str, epochs: int) -> Path:
    """Put a record into a run's folder, as the store does."""
    folder = root / "runs" / key[:16]
    folder.mkdir(parents=True, exist_ok=True)
    record = Record(
        digest=key, status="finished", spec_name="small", label="", edits=(), spec=SPEC,
        recipe_name="r", recipe={"epochs": epochs}, data_title="d",
        data={"image_size": (8, 8)}, class_names=("a",), seed=1,
        params=1234, macs=56789,
        curves=Curves(**{name: tuple(values) for name, values in curves(epochs).items()}),
        val=Score(6, 3.0, 0.22, 0.5), test=TestScore(10, 3.1, 0.21, 0.49, (0.21,), "AAA="),
        failure=None, stopped_epoch=None, environment={}, notes=(), started="", ended="",
    )  # fmt: skip
    (folder / "record.json").write_text(record.to_json())
    (folder / "weights.pt").write_bytes(b"weights")
    return folder


def put_failed(root: Path, key: str) -> Path:
    folder = put(root, key, 2)
    record = Record.from_json((folder / "record.json").read_bytes())
    failure = Failure(step=3, epoch=2, lr=0.1, loss="nan", part="training")
    failed = replace(record, status="failed", val=None, test=None, failure=failure)
    (folder / "record.json").write_text(failed.to_json())
    (folder / "weights.pt").unlink()
    return folder


def inspect(root: Path, key: str) -> list[dict[str, Any]]:
    """Return all that wandb's own reader finds in the files of one run."""
    records = []
    for path in root.glob(f"wandb/*run-*-{STUDY[:8]}-{key[:16]}/*.wandb"):
        command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(path)]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        records += [json.loads(line) for line in lines.splitlines()]
    return records


def epochs_in(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    items = [each["history"]["item"] for each in records if each["type"] == "history"]
    return [item for item in items if "lr" in item]


def check_epochs(records: list[dict[str, Any]], epochs: int) -> None:
    """Check that every metric of every epoch is there, once."""
    found = epochs_in(records)
    assert [item["epoch"] for item in found] == list(range(1, epochs + 1))
    for item in found:
        assert item.keys() >= METRICS
        for name, values in CURVES.items():
            if name != "seconds":
                shown = name.replace("train_", "train/").replace("val_", "val/")
                assert item[shown] == values[item["epoch"] - 1]


def summary(records: list[dict[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for each in records:
        if each["type"] == "summary":
            values |= each["summary"].get("update", {})
    return values


def wait_for(true: Callable[[], object], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def process_of(tracker: Tracker) -> int:
    wait_for(lambda: tracker._process is not None)
    assert tracker._process is not None
    return tracker._process.pid


def test_every_run_is_complete_in_its_file(tmp_path: Path) -> None:
    live, stored = tracked("a" * 64), tracked("b" * 64, seed=2)
    tracker = Tracker("offline", "a study", STUDY, tmp_path, weights=True)
    tracker.started(live)
    tracker.epoch(live.key, curves(1))
    tracker.started(stored)  # a run that the store holds: no epochs, just the record
    tracker.finished(stored.key, put(tmp_path, stored.key, 4))
    tracker.epoch(live.key, curves(3))
    tracker.finished(live.key, put(tmp_path, live.key, 4))
    tracker.tables({"comparison": (["variant", "top-1"], [["se=off", 0.21]])})
    broken = tracked("9" * 64)
    tracker.started(broken)
    tracker.finished(broken.key, put_failed(tmp_path, broken.key))
    assert tracker.close(60) == ()

    records = inspect(tmp_path, broken.key)
    check_epochs(records, 2)
    assert summary(records)["status"] == "failed"
    assert [each["exit"]["exit_code"] for each in records if each["type"] == "exit"] == [1]
    for run in (live, stored):
        records = inspect(tmp_path, run.key)
        check_epochs(records, 4)
        (begun,) = [each["run"] for each in records if each["type"] == "run"]
        assert begun["run_group"] == "a study"
        assert begun["job_type"] == "se=off"
        assert begun["display_name"] == f"se=off seed {run.seed}"
        config = begun["config"]["update"]
        assert config["spec"] == SPEC
        assert config["edits"] == ["5-8.se=off"]
        assert (config["seed"], config["params"], config["macs"]) == (run.seed, 1234, 56789)
        found = summary(records)
        assert found["final/test_top1"] == 0.21
        assert found["final/val_top5"] == 0.5
        assert any(key.startswith("spec.") for key in found)
        assert [each["exit"]["exit_code"] for each in records if each["type"] == "exit"] == [0]
        assert any(each.get("artifact", {}).get("type") == "model" for each in records)
    tables = list(tmp_path.glob("wandb/offline-run-*/files/media/table/comparison_*.table.json"))
    assert [json.loads(path.read_text())["data"] for path in tables] == [[["se=off", 0.21]]]

    again = Tracker("offline", "a study", STUDY, tmp_path, weights=True)
    again.started(live)
    again.finished(live.key, put(tmp_path, live.key, 4))
    again.tables({"comparison": (["variant", "top-1"], [["se=off", 0.21]])})
    assert again._process is None  # all is there: no tracker is started
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
    assert [each["exit"]["exit_code"] for each in records if each["type"] == "exit"] == [0]


def test_a_killed_tracker_is_replaced_and_nothing_is_doubled(tmp_path: Path) -> None:
    run = tracked("c" * 64)
    tracker = Tracker("offline", "study", STUDY, tmp_path)
    tracker.started(run)
    tracker.epoch(run.key, curves(2))
    wait_for(lambda: len(list(tmp_path.glob("wandb/offline-run-*/*.wandb"))) == 1)
    first = process_of(tracker)
    os.kill(first, signal.SIGKILL)
    tracker.epoch(run.key, curves(3))
    wait_for(lambda: process_of(tracker) != first)
    tracker.finished(run.key, put(tmp_path, run.key, 4))
    assert tracker.close(60) == ()
    check_epochs(inspect(tmp_path, run.key), 4)


PARENT = """
import os, signal, sys, time
from pathlib import Path
from fuseablate.tracking import Tracker
from tests.tracking.test_tracking import STUDY, curves, process_of, tracked
tracker = Tracker("offline", "study", STUDY, Path(sys.argv[1]))
run = tracked("d" * 64)
tracker.started(run)
tracker.epoch(run.key, curves(2))
while not list(Path(sys.argv[1]).glob("wandb/offline-run-*/*.wandb")):
    time.sleep(0.05)
print(process_of(tracker), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_parent_leaves_no_tracker_and_the_next_start_completes(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    parent = subprocess.run(command, check=False, capture_output=True, text=True, timeout=180)
    assert parent.returncode == -signal.SIGKILL, parent.stderr
    orphan = Path("/proc") / parent.stdout.strip()
    wait_for(lambda: not orphan.exists() or " Z " in (orphan / "stat").read_text())

    run = tracked("d" * 64)
    check_epochs(inspect(tmp_path, run.key), 2)
    tracker = Tracker("offline", "study", STUDY, tmp_path)
    tracker.started(run)
    tracker.epoch(run.key, curves(3))
    tracker.finished(run.key, put(tmp_path, run.key, 4))
    assert tracker.close(60) == ()
    check_epochs(inspect(tmp_path, run.key), 4)


def test_a_stopped_tracker_holds_nobody_up(tmp_path: Path) -> None:
    tracker = Tracker("offline", "study", STUDY, tmp_path)
    run = tracked("e" * 64)
    tracker.started(run)
    os.kill(process_of(tracker), signal.SIGSTOP)
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
    assert line.startswith("W&B: 1 of 1 runs could not be sent")


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
