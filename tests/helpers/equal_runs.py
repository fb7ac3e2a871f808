"""Whether two stores hold the same runs, to the last bit."""

from __future__ import annotations

from pathlib import Path

import torch

from fuseablate.runs.record import Record


def check_equal(one: Record, other: Record) -> None:
    for name in ("lr", "train_loss", "train_top1", "val_loss", "val_top1"):
        assert getattr(one.curves, name) == getattr(other.curves, name)
    for name in ("status", "spec", "recipe", "data", "seed", "params", "macs", "val", "test",
                 "failure", "notes"):  # fmt: skip
        assert getattr(one, name) == getattr(other, name), name
    assert one.status == "finished"
    assert one.notes == ()


def check_weights(one: Path, other: Path) -> None:
    for folder in (one, other):
        assert {path.name for path in folder.iterdir()} == {"record.json", "weights.pt", "lock"}
    tensors = torch.load(other / "weights.pt", weights_only=True)
    for name, tensor in torch.load(one / "weights.pt", weights_only=True).items():
        assert torch.equal(tensor, tensors[name]), name
