"""Runs that a tracker is told of, and what wandb's own reader finds of them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from fuseablate.runs.record import Curves, Failure, Record, Score, TestScore, read_record
from fuseablate.tracking import TrackedRun
from tests.helpers.processes import alive, command_of, processes, wait_until

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


def tracked(key: str, seed: int = 1) -> TrackedRun:
    costs = {"params": 1234, "macs": 56789}
    names = ("se=off", "squeeze=0")
    levels: dict[str, str | float] = {"se": "off", "seed": 3}
    return TrackedRun(key, names, seed, SPEC, ("5-8.se=off",), {"lr": 0.1}, costs, levels)


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
    record = read_record(folder / "record.json")
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
    items = [record["history"]["item"] for record in records if record["type"] == "history"]
    return [item for item in items if "lr" in item]


def check_epochs(records: list[dict[str, Any]], epochs: int) -> None:
    """Check that every metric of every epoch is there, once."""
    items = epochs_in(records)
    assert [item["epoch"] for item in items] == list(range(1, epochs + 1))
    for item in items:
        assert item.keys() >= METRICS
        for name, values in CURVES.items():
            if name != "seconds":
                shown = name.replace("train_", "train/").replace("val_", "val/")
                assert item[shown] == values[item["epoch"] - 1]


def summary(records: list[dict[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for record in records:
        if record["type"] == "summary":
            values |= record["summary"].get("update", {})
    return values


def tracker_processes(root: Path) -> list[int]:
    """Return the processes of trackers that write below a folder, each as long as it is there."""
    return [
        pid
        for pid in processes()
        if {"fuseablate.tracking.process", str(root / "wandb")} <= set(command_of(pid))
        and alive(pid)
    ]


def process_of(root: Path) -> int:
    assert wait_until(lambda: tracker_processes(root))
    return tracker_processes(root)[0]
