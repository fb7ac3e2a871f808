"""What a worker's parcel makes of a run's folder on the driver's side."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuseablate.engines.cluster.parcel import Parcel, unpack
from fuseablate.runs import Store


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
