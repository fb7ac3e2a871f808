"""Checkpoints that cannot be trusted are set aside, and the run goes on without them."""

from __future__ import annotations

import io
import resource
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import torch

from fuseablate.errors import InputError
from fuseablate.io.tensors import SpoiltError
from fuseablate.runs.record import Curves, Record
from fuseablate.runs.store import RunFolder, Store
from fuseablate.runs.unfinished import newest_checkpoint
from fuseablate.training import checkpoint, train
from fuseablate.training.state import TrainingState
from tests.helpers.processes import reads_proc
from tests.helpers.small_run import Diary, small_data, small_recipe, small_spec

RUN, OTHER = "a" * 64, "b" * 64


def folder(path: Path) -> RunFolder:
    return RunFolder(path)


def test_a_state_comes_back_and_the_one_before_is_kept(tmp_path: Path) -> None:
    at = folder(tmp_path)
    for epoch in (1, 2, 3):
        checkpoint.save(at, RUN, {"epoch": epoch, "weights": torch.full((2,), float(epoch))})
    states = [checkpoint.load(tmp_path / name, RUN) for name in checkpoint.SAVED]
    assert [state["epoch"] for state in states] == [3, 2]
    assert torch.equal(states[0]["weights"], torch.tensor([3.0, 3.0]))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint.previous.pt",
        "checkpoint.pt",
    ]


def test_what_is_written_is_the_state_as_it_was(tmp_path: Path) -> None:
    writer = checkpoint.Writer(torch.device("cpu"))
    kernels = torch.randn(4, 3, 5, 5).to(memory_format=torch.channels_last)
    before, state = kernels.clone(), {"weights": {"kernels": kernels}, "notes": ("a",)}
    saved = writer.save(folder(tmp_path), RUN, state)
    kernels.zero_()
    state["notes"] = ("b",)
    writer.close()
    assert saved.result() is None
    loaded = checkpoint.load(tmp_path / "checkpoint.pt", RUN)
    assert torch.equal(loaded["weights"]["kernels"], before)
    assert loaded["weights"]["kernels"].stride() == before.stride()
    assert loaded["notes"] == ("a",)


def test_a_full_disk_ends_the_run_in_one_line(tmp_path: Path) -> None:
    """What stands for it is a limit of what a file may hold, less than a checkpoint does."""
    store, diary = Store(tmp_path / "runs"), Diary(tmp_path / "diary")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(InputError, match=r"^run folder [^\n]*: cannot be written: [^\n]*$"):
            go(store, diary)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert diary.read() == [("begin", 0)]
    (run,) = store.root.iterdir()
    assert sorted(path.name for path in run.iterdir()) == ["lock", "run.json"]
    assert go(store, diary).status == "finished"


class Looking(Diary):
    """Notes of each epoch that it is told of how many the newest checkpoint has."""

    def __init__(self, path: Path, root: Path) -> None:
        super().__init__(path)
        self.root = root

    def epoch(self, curves: Curves) -> None:
        (folder,) = self.root.iterdir()
        newest = newest_checkpoint(folder)
        assert newest is not None
        self.note("saved", [len(curves), newest.epochs])


def test_an_epoch_is_told_when_its_checkpoint_is_there(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs")
    diary = Looking(tmp_path / "diary", store.root)
    go(store, diary)
    assert diary.read()[1:] == [("saved", [epoch, epoch]) for epoch in (1, 2, 3, 4)]


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


def of_a_tensor_that_is_not_in_it(path: Path) -> None:
    weights = torch.zeros(1).expand(10**12)
    torch.save({"run": RUN, "state": {"weights": weights}}, path)


SPOILT: list[Callable[[Path], None]] = [
    torn, emptied, one_bit_flipped, of_another_run, with_code_in_it, no_checkpoint,
    of_a_tensor_that_is_not_in_it,
]  # fmt: skip


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_spoilt_file_is_never_loaded(spoil: Callable[[Path], None], tmp_path: Path) -> None:
    checkpoint.save(folder(tmp_path), RUN, {"weights": torch.arange(100.0)})
    path = tmp_path / "checkpoint.pt"
    spoil(path)
    with pytest.raises(SpoiltError) as caught:
        checkpoint.load(path, RUN)
    assert "weights_only" not in str(caught.value)


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


def test_a_state_from_elsewhere_keeps_this_machines_settings_and_says_so() -> None:
    cpu = torch.device("cpu")
    states = [TrainingState(small_spec(), small_recipe(), 0, (16, 16), cpu) for _ in range(3)]
    there, *here = states
    saved = there.to_dict()
    for group in saved["optimizer"]["param_groups"]:
        group["fused"] = None  # as on a device that has no fused kernels
    here[0].restore({**saved, "place": "another processor with torch 2.11.0"})
    assert [group["fused"] for group in here[0].optimizer.param_groups] == [True]
    (note,) = here[0].notes
    assert note.startswith("from epoch 1 on ")
    assert f"with torch {torch.__version__}, before on another processor with torch 2.11" in note
    del saved["place"]  # as an earlier version wrote it
    here[1].restore(saved)
    assert here[1].notes == ()


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
    left = sorted(file.name for file in path.parent.iterdir())
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


@contextmanager
def folder_in_its_place(path: Path) -> Iterator[None]:
    """Reading fails with EISDIR, which says nothing of what the checkpoint holds."""
    path.rename(path.with_name("kept"))
    path.mkdir()
    yield
    path.rmdir()
    path.with_name("kept").rename(path)


@contextmanager
def little_memory(path: Path) -> Iterator[None]:
    """No more than 128 MiB of new memory can be had, and the file has more."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    whole = path.read_bytes()
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("more", bytes(2**28))
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**27, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)
    path.write_bytes(whole)


HINDRANCES = [
    folder_in_its_place,
    pytest.param(
        little_memory,
        marks=reads_proc,
    ),
]


@pytest.mark.parametrize("hinder", HINDRANCES)
def test_a_checkpoint_that_cannot_be_read_now_ends_the_run_and_stays(
    hinder: Callable[[Path], AbstractContextManager[None]], tmp_path: Path
) -> None:
    whole = go(Store(tmp_path / "whole"), Diary(tmp_path / "none"))
    store, path = interrupted(tmp_path)
    with (
        hinder(path),
        pytest.raises(InputError, match=r"checkpoint\.pt: cannot be read: ") as caught,
    ):
        go(store, Diary(tmp_path / "second"))
    assert "it is kept, and the same command goes on from it" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(path.parent.glob("*.bad-*"))
    diary = Diary(tmp_path / "third")
    assert go(store, diary).curves.train_loss == whole.curves.train_loss
    assert diary.read()[0] == ("begin", 3)
