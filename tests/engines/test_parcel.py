"""What a worker's parcel makes of a run's folder on the driver's side."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from fuseablate.engines.cluster.parcel import Mail, Parcel, unpack
from fuseablate.runs import NEWEST, PREVIOUS, Store


@pytest.mark.parametrize(("files", "left"), [
    ({"record.json": b"{}", "weights.pt": b"w"}, {"record.json", "weights.pt"}),
    # Both were sent with a message that was never read.
    ({}, {"checkpoint.pt", "checkpoint.previous.pt"}),
])  # fmt: skip
def test_checkpoints_go_only_where_the_record_is_there(
    tmp_path: Path, files: dict[str, bytes], left: set[str]
) -> None:
    with Store(tmp_path).open("0" * 64) as folder:
        for _ in range(2):
            folder.write_checkpoint(b"epoch")
        unpack(Parcel(names=["record.json", "weights.pt"], files=files), folder)
        assert {path.name for path in folder.path.iterdir()} - {"lock"} == left


@pytest.mark.parametrize("waits", [1, 100])
def test_a_worker_that_leaves_while_a_checkpoint_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waits: int
) -> None:
    """The driver gets the new one, or keeps its own: what it has is never called superfluous."""
    there = tmp_path / "scratch" / "1"
    mail = Mail(there, Parcel(names=[NEWEST], files={NEWEST: b"1"}), 60.0)
    (there / NEWEST).rename(there / PREVIOUS)  # and the next one is not in its place yet
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == waits:
            (there / NEWEST).write_bytes(b"2")

    monkeypatch.setattr(time, "sleep", sleep)
    parcel = mail.last()
    with Store(tmp_path / "runs").open("0" * 64) as folder:
        folder.write_checkpoint(b"1")
        if parcel is not None:
            unpack(parcel, folder)
        assert (folder.path / NEWEST).read_bytes() == (b"2" if waits == 1 else b"1")
