"""Checkpoints that cannot be trusted are set aside, and the run goes on without them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from fuseablate.record import Curves, Record
from fuseablate.runs import RunFolder, Store
from fuseablate.training import checkpoint, train
from tests.small_run import Diary, small_data, small_recipe, small_spec

RUN, OTHER = "a" * 64, "b" * 64


def folder(path: Path) -> RunFolder:
    return RunFolder(path)


def test_a_state_comes_back_and_the_one_before_is_kept(tmp_path: Path) -> None:
    at = folder(tmp_path)
    for epoch in (1, 2, 3):
        checkpoint.save(at, RUN, {"epoch": epoch, "weights": torch.full((2,), float(epoch))})
    states = [checkpoint.load(path, RUN) for path in checkpoint.saved(at)]
    assert [state["epoch"] for state in states] == [3, 2]
    assert torch.equal(states[0]["weights"], torch.tensor([3.0, 3.0]))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint.previous.pt",
        "checkpoint.pt",
    ]


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def one_bit_flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[data.index(torch.arange(100.0).numpy().tobytes()) + 200] ^= 1
    path.write_bytes(data)


def of_another_run(path: Path) -> None:
    content = io.BytesIO()
    torch.save({"run": OTHER, "state": {}}, content)
    path.write_bytes(content.getvalue())


def with_code_in_it(path: Path) -> None:
    torch.save({"run": RUN, "state": Path("/")}, path)


def no_checkpoint(path: Path) -> None:
    path.write_text("hello")


SPOILT: list[Callable[[Path], None]] = [
    torn, emptied, one_bit_flipped, of_another_run, with_code_in_it, no_checkpoint,
]  # fmt: skip


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_spoilt_file_is_never_loaded(spoil: Callable[[Path], None], tmp_path: Path) -> None:
    checkpoint.save(folder(tmp_path), RUN, {"weights": torch.arange(100.0)})
    path = tmp_path / "checkpoint.pt"
    spoil(path)
    with pytest.raises(Exception, match=r"\w"):
        checkpoint.load(path, RUN)


def test_spoilt_files_get_a_free_name(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        path = tmp_path / "checkpoint.pt"
        path.write_text(str(number))
        assert checkpoint.set_aside(path).name == f"checkpoint.pt.bad-{number}"
    assert (tmp_path / "checkpoint.pt.bad-2").read_text() == "2"


class Stopping(Diary):
    def epoch(self, curves: Curves) -> None:
        super().epoch(curves)
        if len(curves) == 3:
            raise KeyboardInterrupt


def go(store: Store, progress: Diary) -> Record:
    return train(small_spec(), small_recipe(), small_data(), 0, store=store, device="cpu",
                 threads=1, progress=progress)  # fmt: skip


def interrupted(tmp_path: Path) -> tuple[Store, Path]:
    store = Store(tmp_path / "runs")
    with pytest.raises(KeyboardInterrupt):
        go(store, Stopping(tmp_path / "first"))
    (path,) = store.root.glob("*/checkpoint.pt")
    return store, path


def test_a_run_goes_on_from_the_checkpoint_before_a_torn_one(tmp_path: Path) -> None:
    whole = go(Store(tmp_path / "whole"), Diary(tmp_path / "none"))
    store, path = interrupted(tmp_path)
    torn(path)
    diary = Diary(tmp_path / "second")
    record = go(store, diary)
    warning, begin, *epochs = diary.read()
    assert str(warning[1]).startswith(
        "warning: checkpoint.pt could not be used, kept as checkpoint.pt.bad-1: "
    )
    assert begin == ("begin", 2)
    assert epochs == [("epoch", 3), ("epoch", 4)]
    assert record.test == whole.test
    assert record.curves.train_loss == whole.curves.train_loss


def test_a_run_without_a_good_checkpoint_starts_again(tmp_path: Path) -> None:
    whole = go(Store(tmp_path / "whole"), Diary(tmp_path / "none"))
    store, path = interrupted(tmp_path)
    of_another_run(path)
    previous = path.with_name("checkpoint.previous.pt")
    # Of this run by its digest, but with a state that does not fit the network.
    (holder,) = (tmp_path / "whole").iterdir()
    torch.save({"run": whole.digest, "state": {"network": {}}}, previous)
    diary = Diary(tmp_path / "second")
    record = go(store, diary)
    first, second, begin, *_ = diary.read()
    assert "it belongs to the run bbbbbbbbbbbbbbbb" in str(first[1])
    assert "checkpoint.previous.pt could not be used, kept as checkpoint.pt.bad-2" in str(second[1])
    assert [f"warning: {note}" for note in record.notes] == [first[1], second[1]]
    left = sorted(each.name for each in path.parent.iterdir())
    assert left == [
        "checkpoint.pt.bad-1",
        "checkpoint.pt.bad-2",
        "lock",
        "record.json",
        "weights.pt",
    ]
    assert begin == ("begin", 0)
    assert record.test == whole.test
    assert holder.name == path.parent.name
