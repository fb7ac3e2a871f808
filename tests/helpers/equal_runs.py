"""Whether two stores hold the same runs, to the last bit."""

from __future__ import annotations

from pathlib import Path

import torch

from fuseablate.runs.record import Record


def check_equal(record: Record, other: Record) -> None:
    for name in ("lr", "train_loss", "train_top1", "val_loss", "val_top1"):
        assert getattr(record.curves, name) == getattr(other.curves, name)
    for name in ("status", "spec", "recipe", "data", "seed", "params", "macs", "val", "test",
                 "failure", "notes"):  # fmt: skip
        assert getattr(record, name) == getattr(other, name), name
    assert record.status == "finished"
    assert record.notes == ()


def check_weights(folder: Path, other: Path) -> None:
    for run in (folder, other):
        assert {path.name for path in run.iterdir()} == {"record.json", "weights.pt", "lock"}
    tensors = torch.load(other / "weights.pt", weights_only=True)
    for name, tensor in torch.load(folder / "weights.pt", weights_only=True).items():
        assert torch.equal(tensor, tensors[name]), name
