"""Runs killed with SIGKILL at random moments end as if nothing had happened."""

from __future__ import annotations

import os
import random
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import cast

import torch

from fuseablate.runs.record import Record
from fuseablate.runs.store import Store
from tests.helpers.processes import forked
from tests.helpers.small_run import Diary, train_small

KILLS = 8
CHANGES = {"epochs": 12, "ema": 0.99}


def start(root: Path, diary: Path) -> BaseProcess:
    return forked(train_small, root, diary, **CHANGES)


def wait_for_a_new_line(diary: Diary, lines: int, process: BaseProcess) -> None:
    deadline = time.monotonic() + 60
    while len(diary.read()) <= lines and process.is_alive() and time.monotonic() < deadline:
        time.sleep(0.002)


def only_record(root: Path) -> Record:
    (record,) = Store(root).records()
    return record


def weights(root: Path) -> dict[str, torch.Tensor]:
    path = Store(root).folder(only_record(root).digest) / "weights.pt"
    return cast("dict[str, torch.Tensor]", torch.load(path, weights_only=True))


def test_a_run_killed_again_and_again_ends_bit_equal(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    process = start(whole, tmp_path / "whole.diary")
    process.join()
    assert process.exitcode == 0

    diary = Diary(tmp_path / "killed.diary")
    moments = random.Random(0)
    kills = 0
    while kills < KILLS:
        lines = len(diary.read())
        process = start(killed, diary.path)
        wait_for_a_new_line(diary, lines, process)
        time.sleep(moments.uniform(0, 0.15))
        if not process.is_alive():
            break
        os.kill(cast("int", process.pid), signal.SIGKILL)
        process.join()
        kills += 1
    process = start(killed, diary.path)
    process.join()
    assert process.exitcode == 0
    assert kills >= 3, "the run ended before it could be killed often enough"

    # Each life begins where the one before left off, or one epoch later: that of a checkpoint
    # which was written when the kill came, and not yet noted.
    known = 0
    for word, value in diary.read():
        assert word != "say", value
        if word == "begin":
            assert value in (known, known + 1)
        known = cast("int", value)

    record, other = only_record(whole), only_record(killed)
    assert record.digest == other.digest
    assert len(record.curves) == 12
    for name in ("lr", "train_loss", "train_top1", "val_loss", "val_top1"):
        assert getattr(record.curves, name) == getattr(other.curves, name)
    assert (record.val, record.test) == (other.val, other.test)
    for name, tensor in weights(whole).items():
        assert torch.equal(tensor, weights(killed)[name]), name
    left = {path.name for path in Store(killed).folder(other.digest).iterdir()}
    assert left == {"record.json", "weights.pt", "lock"}


def test_what_a_process_killed_at_its_very_end_left_is_removed(tmp_path: Path) -> None:
    train_small(tmp_path, tmp_path / "diary", epochs=2)
    record = only_record(tmp_path)
    left = Store(tmp_path).folder(record.digest) / "checkpoint.previous.pt"
    left.write_bytes(b"the record is there, and this was not yet gone")
    train_small(tmp_path, tmp_path / "diary", epochs=2)
    assert only_record(tmp_path) == record
    assert not left.exists()
