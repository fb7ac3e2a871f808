"""Runs that travel between stores: what arrives, and which of two is kept."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import torch

from fuseablate.commands.program import main
from fuseablate.engines.local import ThisMachine
from fuseablate.runs.record import Curves
from fuseablate.runs.store import Store
from fuseablate.runs.unfinished import newest_checkpoint
from fuseablate.training import train
from tests.helpers.inline_workers import train_inline
from tests.helpers.paths import REPORTS
from tests.helpers.processes import forked
from tests.helpers.records import DIGEST, plain_record, put
from tests.helpers.small_run import Diary, small_data, small_recipe, small_spec, train_small
from tests.helpers.study_process import run_arguments, write_study
from tests.helpers.transfers import ID, Capture, files, moved


class Killed(Diary):
    """Ends its process with SIGKILL after so many epochs."""

    def __init__(self, epochs: int) -> None:
        super().__init__(Path(os.devnull))
        self.epochs = epochs

    def epoch(self, curves: Curves) -> None:
        if len(curves) == self.epochs:
            os.kill(os.getpid(), signal.SIGKILL)


def train_until(root: Path, epochs: int) -> None:
    train(small_spec(), small_recipe(ema=0.9), small_data(), seed=1, store=Store(root),
          device="cpu", threads=1, progress=Killed(epochs))  # fmt: skip


def killed_after(root: Path, epochs: int) -> Path:
    """Return the folder of the small run, killed after so many epochs."""
    process = forked(train_until, root, epochs)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    (folder,) = (path for path in root.iterdir() if len(path.name) == 16)
    return folder


def test_a_run_killed_midway_goes_on_in_another_store_bit_equal(
    tmp_path: Path, capsys: Capture
) -> None:
    whole, here, there = (tmp_path / name for name in ("whole", "here", "there"))
    folder = killed_after(here, 2)
    train_small(whole, tmp_path / "diary", ema=0.9)
    out = moved(capsys, "export", folder.name, tmp_path / "x.tar", "--checkpoints", "--runs", here)
    assert "1 run and 0 studies" in out
    out = moved(capsys, "import", tmp_path / "x.tar", "--runs", there)
    assert "0 records, 0 weights, 1 checkpoint" in out
    assert "interrupted, epoch 2 of 4" in moved(capsys, "list", "--runs", there)

    train_small(there, tmp_path / "later", ema=0.9)
    assert Diary(tmp_path / "later").read()[0] == ("begin", 2)
    (direct,), (other,) = Store(whole).records(), Store(there).records()
    assert (direct.test, direct.val, direct.curves.val_loss) == (
        other.test, other.val, other.curves.val_loss,
    )  # fmt: skip
    a, b = (torch.load(Store(root).folder(direct.digest) / "weights.pt") for root in (whole, there))
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)
    left = {path.name for path in Store(there).folder(direct.digest).iterdir()}
    assert left == {"record.json", "weights.pt", "lock"}


@pytest.mark.parametrize("target", ["x.tar", "folder"])
def test_weights_and_records_arrive_as_they_were(
    target: str, tmp_path: Path, capsys: Capture
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    train_small(here, tmp_path / "diary", epochs=1)
    moved(capsys, "export", tmp_path / target, "--weights", "--runs", here)
    moved(capsys, "import", tmp_path / target, "--runs", there)
    assert files(there) == files(here)
    assert not [path for path in there.iterdir() if path.name.startswith(".")]
    # again: nothing to do
    assert "1 here already" in moved(capsys, "import", tmp_path / target, "--runs", there)
    assert files(there) == files(here)


def test_weights_come_later_to_a_record_that_has_none(tmp_path: Path, capsys: Capture) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    train_small(here, tmp_path / "diary", epochs=1)
    moved(capsys, "export", tmp_path / "bare.tar", "--runs", here)
    moved(capsys, "import", tmp_path / "bare.tar", "--runs", there)
    assert "weights.pt" not in {path.name for path in there.glob("*/*")}
    moved(capsys, "export", tmp_path / "full.tar", "--weights", "--runs", here)
    moved(capsys, "import", tmp_path / "full.tar", "--runs", there)
    assert files(there) == files(here)


def test_committed_records_are_imported_from_their_folder(tmp_path: Path, capsys: Capture) -> None:
    out = moved(capsys, "import", REPORTS / "se", "--runs", tmp_path)
    assert "13 records, 0 weights, 0 checkpoints, 2 studies" in out
    for path in (REPORTS / "se").glob("*/record.json"):
        assert (tmp_path / path.parent.name / path.name).read_bytes() == path.read_bytes()
    assert main(["report", "se", "--runs", str(tmp_path)]) == 0
    assert "Squeeze-and-excitation" in capsys.readouterr().out
    again = moved(capsys, "import", REPORTS / "se", "--runs", tmp_path)
    assert "0 records, 0 weights, 0 checkpoints, 0 studies; 15 here already" in again
    message = moved(capsys, "import", REPORTS, "--runs", tmp_path, code=2)
    assert "they lie one below, in" in message
    assert str(REPORTS / "ablations") in message


def test_a_study_goes_on_elsewhere_and_trains_nothing_twice(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_inline(monkeypatch)
    study = write_study(tmp_path, seeds=[0], epochs=1)
    here, there = tmp_path / "here", tmp_path / "there"
    assert main(run_arguments(study, here, 1)) == 0
    moved(capsys, "export", "tiny", tmp_path / "x.tar", "--runs", here)
    out = moved(capsys, "import", tmp_path / "x.tar", "--runs", there)
    assert "2 records, 0 weights, 0 checkpoints, 1 study" in out
    with monkeypatch.context() as patch:
        patch.setattr(ThisMachine, "start", None)  # starting a worker would be an error
        assert main(run_arguments(study, there, 1)) == 0
    # It has gone on there, and comes back: the journal there begins with the one here.
    moved(capsys, "export", "tiny", tmp_path / "back.tar", "--runs", there)
    out = moved(capsys, "import", tmp_path / "back.tar", "--runs", here)
    assert "0 records, 0 weights, 0 checkpoints, 1 study; 2 here already" in out

    ids = [path.parent.name for path in there.glob("*/record.json")]
    assert main(["runs", "rm", ids[0], "--yes", "--runs", str(there)]) == 0
    assert not (there / ids[0]).exists()
    assert main(run_arguments(study, there, 1)) == 0  # trains the one that was removed
    assert (there / ids[0] / "weights.pt").exists()
    assert not (there / ids[1] / "weights.pt").exists()


def test_a_run_that_was_tested_later_beats_its_untested_record(
    tmp_path: Path, capsys: Capture
) -> None:
    untested, tested = (
        plain_record(untested=True, test=None),
        plain_record(notes=(*plain_record().notes, "tested")),
    )
    stores = [Store(tmp_path / name) for name in ("untested", "tested", "untested-too")]
    for store, record in zip(stores, (untested, tested, untested), strict=True):
        put(store, record)
    old, new = tmp_path / "old.tar", tmp_path / "new.tar"
    moved(capsys, "export", old, "--runs", stores[0].root)
    moved(capsys, "export", new, "--runs", stores[1].root)
    out = moved(capsys, "import", new, "--runs", stores[0].root)
    assert "1 record," in out
    assert stores[0].get(DIGEST) == tested
    out = moved(capsys, "import", old, "--runs", stores[1].root)
    assert "1 here already" in out
    assert stores[1].get(DIGEST) == tested
    put(stores[2], plain_record(untested=True, test=None, started="2025-01-01T00:00:01+00:00"))
    moved(capsys, "import", new, "--runs", stores[2].root, code=2)  # another training


def test_a_record_beats_a_checkpoint_and_a_later_checkpoint_an_earlier_one(
    tmp_path: Path, capsys: Capture
) -> None:
    stores = {}
    for epochs in (1, 3):
        stores[epochs] = tmp_path / str(epochs)
        killed_after(stores[epochs], epochs)
        tar = tmp_path / f"{epochs}.tar"
        moved(capsys, "export", tar, "--checkpoints", "--runs", stores[epochs])
    (folder,) = (path for path in stores[1].iterdir() if path.is_dir())

    def epochs_here() -> int:
        newest = newest_checkpoint(folder)
        assert newest is not None
        return newest.epochs

    assert epochs_here() == 1
    moved(capsys, "import", tmp_path / "3.tar", "--runs", stores[1])
    assert epochs_here() == 3
    moved(capsys, "import", tmp_path / "1.tar", "--runs", stores[1])
    assert epochs_here() == 3

    train_small(stores[3], tmp_path / "diary", ema=0.9)
    moved(capsys, "export", tmp_path / "done.tar", "--runs", stores[3])
    moved(capsys, "import", tmp_path / "done.tar", "--runs", stores[1])
    assert {path.name for path in folder.iterdir()} == {"record.json", "lock"}
    out = moved(capsys, "import", tmp_path / "1.tar", "--runs", stores[1])
    assert "1 here already" in out
    assert {path.name for path in folder.iterdir()} == {"record.json", "lock"}


def test_an_export_whose_file_was_forgotten_is_refused(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    moved(capsys, "import", REPORTS / "se", "--runs", "store")
    for name in ("se", "3e0cc708"):  # a study, a run
        said = moved(capsys, "export", name, "--runs", "store", code=2)
        assert f"FILE {name}: is a run or a study of store; name the file, too" in said
        assert f"fuseablate runs export {name} {name}.tar" in said
        assert not (tmp_path / name).exists()
    assert "13 runs and 2 studies" in moved(capsys, "export", "other", "--runs", "store")


def test_an_export_of_any_name_that_a_file_may_have(tmp_path: Path, capsys: Capture) -> None:
    store = Store(tmp_path / "runs")
    put(store, plain_record())
    longest = tmp_path / f"{'x' * 251}.tar"
    moved(capsys, "export", longest, "--runs", store.root)
    moved(capsys, "import", longest, "--runs", tmp_path / "there")
    (tmp_path / "loop.tar").symlink_to("loop.tar")
    said = moved(capsys, "export", tmp_path / "loop.tar", "--runs", store.root, code=2)
    assert "links lead in a circle" in said


def test_what_a_killed_import_left_is_removed_by_the_next(tmp_path: Path, capsys: Capture) -> None:
    store = Store(tmp_path / "here")
    put(store, plain_record())
    left = tmp_path / "runs" / ".import-0011aabb" / ID
    left.mkdir(parents=True)
    (left / "weights.pt").write_bytes(b"half")
    moved(capsys, "import", store.root, "--runs", tmp_path / "runs")
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [ID]


def test_a_checkpoint_is_looked_at_without_running_what_it_names(tmp_path: Path) -> None:
    folder = killed_after(tmp_path, 1)
    evil = tmp_path / "evil.pt"
    code = (
        "import sys, zipfile; from pathlib import Path\n"
        "from fuseablate.runs.unfinished import read_checkpoint\n"
        "print(read_checkpoint(Path(sys.argv[1])).epochs, 'torch' in sys.modules)"
    )
    words = [sys.executable, "-c", code]
    done = subprocess.run(
        [*words, folder / "checkpoint.pt"], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "False"]

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    state = {"curves": vars(plain_record().curves), "notes": (), "started": "", "device": "cpu"}
    torch.save({"run": DIGEST, "state": {**state, "threads": 1, "evil": Evil()}}, evil)
    subprocess.run([*words, evil], capture_output=True, check=True)
    assert not (tmp_path / "ran").exists()


def test_the_list_of_an_export_holds_the_sums_that_others_compute(
    tmp_path: Path, capsys: Capture
) -> None:
    moved(capsys, "import", REPORTS / "se", "--runs", tmp_path / "runs")
    moved(capsys, "export", "se", tmp_path / "x.tar", "--runs", tmp_path / "runs")
    with tarfile.open(tmp_path / "x.tar") as tar:
        tar.extractall(tmp_path / "out", filter="data")
    table = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    assert table["format"] == 1
    unpacked = files(tmp_path / "out")
    del unpacked["manifest.json"]
    assert table["files"] == {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in unpacked.items()
    }
    assert sum(name.endswith("record.json") for name in unpacked) == 10  # of 13, se has ten
    shutil.rmtree(tmp_path / "runs")
    moved(capsys, "import", tmp_path / "out", "--runs", tmp_path / "runs")
    assert files(tmp_path / "runs").keys() == unpacked.keys()


def test_a_study_of_many_runs_travels_and_a_record_that_is_none_does_not(
    tmp_path: Path, capsys: Capture
) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    put(Store(there), plain_record())
    study = there / "studies" / "many-0011aabb"
    study.mkdir(parents=True)
    with (study / "status.json").open("wb") as file:
        file.truncate(2**26 + 1)  # more than a record may have; all zeros, which take no room
    moved(capsys, "import", there, "--runs", here)
    assert (here / "studies" / study.name / "status.json").stat().st_size == 2**26 + 1
    os.truncate(there / ID / "record.json", 2**26 + 1)
    said = moved(capsys, "import", there, "--runs", tmp_path / "other", code=2)
    assert f"{ID}/record.json: has 67,108,865 bytes, and the limit is 67,108,864" in said
