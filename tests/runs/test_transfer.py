"""Runs that travel between stores: what arrives, and what is refused before anything is put."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch

from fuseablate.commands.program import main
from fuseablate.engines import local
from fuseablate.runs.record import Curves
from fuseablate.runs.store import Store
from fuseablate.runs.unfinished import newest_checkpoint
from fuseablate.training import train
from tests.helpers.paths import REPORTS
from tests.helpers.records import DIGEST, plain_record, put
from tests.helpers.small_run import Diary, small_data, small_recipe, small_spec, train_small
from tests.helpers.study_process import run_arguments, write_study

Capture = pytest.CaptureFixture[str]
ID = DIGEST[:16]


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
    context = get_context("forkserver")
    process = context.Process(target=train_until, args=(root, epochs))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    (folder,) = (path for path in root.iterdir() if len(path.name) == 16)
    return folder


def files(root: Path) -> dict[str, bytes]:
    paths = (path for path in root.rglob("*") if path.is_file() and path.name != "lock")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def moved(capsys: Capture, *words: object, code: int = 0) -> str:
    """What `fuseablate runs` prints, on one of the two streams."""
    assert main(["runs", *map(str, words)]) == code
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    if code == 2:
        assert out == ""
        assert err.count("\n") == 1
    return str(err if code == 2 else out)


def tar_of(path: Path, members: dict[str, bytes], **changes: Any) -> Path:
    """Write a tar as an export would; `changes` are those of every member's header."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in changes.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return path


def listed(members: dict[str, bytes]) -> dict[str, bytes]:
    """Return files with their list, its sums by hashlib."""
    entries = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in members.items()
    }
    table = {"format": 1, "fuseablate": "0", "created": "now", "files": entries}
    return {**members, "manifest.json": json.dumps(table).encode()}


def test_a_run_killed_midway_goes_on_in_another_store_bit_equal(
    tmp_path: Path, capsys: Capture
) -> None:
    whole, here, there = (tmp_path / name for name in ("whole", "here", "there"))
    folder = killed_after(here, 2)
    train_small(whole, tmp_path / "diary", ema=0.9)
    out = moved(capsys, "export", folder.name, tmp_path / "x.tar", "--checkpoints", "--runs", here)
    assert "1 run and 0 studies" in out
    out = moved(capsys, "import", tmp_path / "x.tar", "--runs", there)
    assert "0 records, 0 weights, 1 checkpoints" in out
    assert "interrupted, epoch 2 of 4" in moved(capsys, "list", "--runs", there)

    train_small(there, tmp_path / "later", ema=0.9)
    assert Diary(tmp_path / "later").read()[0] == ("begin", 2)
    (one,), (other,) = Store(whole).records(), Store(there).records()
    assert (one.test, one.val, one.curves.val_loss) == (
        other.test, other.val, other.curves.val_loss,
    )  # fmt: skip
    a, b = (torch.load(Store(root).folder(one.digest) / "weights.pt") for root in (whole, there))
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)
    left = {path.name for path in Store(there).folder(one.digest).iterdir()}
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
    assert "1 were here already" in moved(capsys, "import", tmp_path / target, "--runs", there)
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
    assert "0 records, 0 weights, 0 checkpoints, 0 studies; 15 were here already" in again
    message = moved(capsys, "import", REPORTS, "--runs", tmp_path, code=2)
    assert "they lie one below, in" in message
    assert str(REPORTS / "catalog") in message


def test_a_study_goes_on_elsewhere_and_trains_nothing_twice(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = write_study(tmp_path, seeds=[0], epochs=1)
    here, there = tmp_path / "here", tmp_path / "there"
    assert main(run_arguments(study, here, 1)) == 0
    moved(capsys, "export", "tiny", tmp_path / "x.tar", "--runs", here)
    out = moved(capsys, "import", tmp_path / "x.tar", "--runs", there)
    assert "2 records, 0 weights, 0 checkpoints, 1 studies" in out
    with monkeypatch.context() as patch:
        patch.setattr(local, "WorkerProcess", None)  # starting one would be an error
        assert main(run_arguments(study, there, 1)) == 0
    # It has gone on there, and comes back: the journal there begins with the one here.
    moved(capsys, "export", "tiny", tmp_path / "back.tar", "--runs", there)
    out = moved(capsys, "import", tmp_path / "back.tar", "--runs", here)
    assert "0 records, 0 weights, 0 checkpoints, 1 studies; 2 were here already" in out

    ids = [path.parent.name for path in there.glob("*/record.json")]
    assert main(["runs", "rm", ids[0], "--yes", "--runs", str(there)]) == 0
    assert not (there / ids[0]).exists()
    assert main(run_arguments(study, there, 1)) == 0  # trains the one that was removed
    assert (there / ids[0] / "weights.pt").exists()
    assert not (there / ids[1] / "weights.pt").exists()


def test_a_differing_record_is_refused_and_nothing_is_put(tmp_path: Path, capsys: Capture) -> None:
    here, there = Store(tmp_path / "here"), Store(tmp_path / "there")
    put(here, plain_record())
    put(here, plain_record("f" * 64))
    put(there, plain_record(started="2025-01-01T00:00:01+00:00"))
    moved(capsys, "export", tmp_path / "x.tar", "--runs", here.root)
    before = files(there.root)
    message = moved(capsys, "import", tmp_path / "x.tar", "--runs", there.root, code=2)
    assert f"run {ID}: {there.root} has another record of it" in message
    assert files(there.root) == before
    out = moved(capsys, "import", tmp_path / "x.tar", "--keep", "--runs", there.root, code=1)
    assert f"run {ID}: has another record here, which stays" in out
    assert there.get("f" * 64) == here.get("f" * 64)
    assert there.get(DIGEST) != here.get(DIGEST)
    bad, ended = Store(tmp_path / "bad"), Store(tmp_path / "bad").folder(DIGEST) / "record.json"
    put(bad, plain_record())
    ended.write_text("{")  # hides no other run
    out = moved(capsys, "import", tmp_path / "x.tar", "--keep", "--runs", bad.root, code=1)
    assert f"run {ID}: {ended}: not a record" in out
    assert bad.get("f" * 64) == here.get("f" * 64)
    assert ended.read_text() == "{"


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
    assert "1 records" in out
    assert stores[0].get(DIGEST) == tested
    out = moved(capsys, "import", old, "--runs", stores[1].root)
    assert "1 were here already" in out
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
    assert "1 were here already" in out
    assert {path.name for path in folder.iterdir()} == {"record.json", "lock"}


def test_a_run_that_a_process_holds_is_left_alone(tmp_path: Path, capsys: Capture) -> None:
    here, there = Store(tmp_path / "here"), Store(tmp_path / "there")
    put(here, plain_record())
    put(here, plain_record("f" * 64))
    moved(capsys, "export", tmp_path / "x.tar", "--runs", here.root)
    with there.open(DIGEST):
        out = moved(capsys, "import", tmp_path / "x.tar", "--runs", there.root, code=1)
        assert f"run {ID}: a process is training it, and it is left alone" in out
    assert there.get(DIGEST) is None
    assert there.get("f" * 64) is not None


def good() -> dict[str, bytes]:
    return {f"{ID}/record.json": plain_record().to_json().encode()}


@pytest.mark.parametrize(
    ("members", "changes", "message"),
    [
        (listed({"../record.json": b"{}"}), {}, "'../record.json': is not a file of a run store"),
        (listed({f"/{ID}/record.json": b"{}"}), {}, "is not a file of a run store"),
        (listed({f"{ID}/../../x.json": b"{}"}), {}, "is not a file of a run store"),
        (listed({"studies/../x.json": b"{}"}), {}, "is not a file of a run store"),
        (listed({f"{ID}/lock": b""}), {}, "is not a file of a run store"),
        (good(), {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "is not a plain file"),
        (good(), {"type": tarfile.LNKTYPE, "linkname": "/etc/passwd"}, "is not a plain file"),
        (good(), {"type": tarfile.FIFOTYPE}, "is not a plain file"),
        (good(), {"type": tarfile.GNUTYPE_SPARSE}, "is not a plain file"),
        (good(), {}, "has no manifest.json; is it cut off?"),
        ({**listed(good()), f"{ID}/record.json": b"{}"}, {}, "its SHA-256 differs"),
        ({**listed(good()), f"{ID}/weights.pt": b""}, {}, "is not in manifest.json"),
        (
            {"manifest.json": listed({**good(), f"{ID}/weights.pt": b""})["manifest.json"]}
            | good(), {}, "weights.pt: is not here; nothing is imported",
        ),
        (listed({f"{'e' * 16}/record.json": plain_record().to_json().encode()}), {},
         f"run eeeeeeeeeeeeeeee: record.json: is of another run ({ID})"),
        (listed({f"{ID}/record.json": b"[]"}), {}, f"run {ID}: record.json: "),
        (listed({f"{ID}/checkpoint.pt": b"no zip"}), {}, "is not a run's checkpoint: "),
        ({**good(), "manifest.json": b'{"format": 2}'}, {}, "format = 2: this version of"),
        ({**good(), "manifest.json": b"[[["}, {}, "manifest.json: not the list of an export"),
        ({**good(), "manifest.json": b'{"format": 1}'}, {}, "missing; it must be given"),
    ],
)  # fmt: skip
def test_a_tar_that_no_export_wrote_is_refused_whole(
    members: dict[str, bytes],
    changes: dict[str, Any],
    message: str,
    tmp_path: Path,
    capsys: Capture,
) -> None:
    path = tar_of(tmp_path / "x.tar", members, **changes)
    assert message in moved(capsys, "import", path, "--runs", tmp_path / "runs", code=2)
    assert files(tmp_path / "runs") == {}


def test_every_truncation_and_every_flipped_byte_is_refused(
    tmp_path: Path, capsys: Capture
) -> None:
    whole = tar_of(tmp_path / "x.tar", listed(good())).read_bytes()
    spoilt = [whole[:size] for size in range(0, whole.rindex(b"}") + 1, 173)]
    for at in range(0, len(plain_record().to_json()), 97):
        place = 512 + at
        spoilt.append(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    for content in spoilt:
        (tmp_path / "y.tar").write_bytes(content)
        moved(capsys, "import", tmp_path / "y.tar", "--runs", tmp_path / "runs", code=2)
        assert files(tmp_path / "runs") == {}


def test_a_header_that_claims_more_than_the_file_has(tmp_path: Path, capsys: Capture) -> None:
    with (tmp_path / "x.tar").open("wb") as file:
        info = tarfile.TarInfo(f"{ID}/weights.pt")
        info.size = 1 << 50
        file.write(info.tobuf(tarfile.GNU_FORMAT))
    message = moved(capsys, "import", tmp_path / "x.tar", "--runs", tmp_path / "runs", code=2)
    assert "is cut off within" in message


def test_links_in_a_folder_are_refused(tmp_path: Path, capsys: Capture) -> None:
    store = Store(tmp_path / "store")
    put(store, plain_record())
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / ID).symlink_to(store.folder(DIGEST))
    message = moved(capsys, "import", linked, "--runs", tmp_path / "runs", code=2)
    assert "is a link, or behind one" in message
    (linked / ID).unlink()
    (linked / ID).mkdir()
    (linked / ID / "record.json").symlink_to(store.folder(DIGEST) / "record.json")
    moved(capsys, "import", linked, "--runs", tmp_path / "runs", code=2)
    (linked / ID / "record.json").unlink()
    os.mkfifo(linked / ID / "record.json")
    message = moved(capsys, "import", linked, "--runs", tmp_path / "runs", code=2)
    assert "is not a plain file" in message


def test_an_export_is_there_whole_or_not_at_all(tmp_path: Path, capsys: Capture) -> None:
    store = Store(tmp_path / "runs")
    put(store, plain_record())
    (tmp_path / "kept").mkdir()
    message = moved(capsys, "export", tmp_path / "kept", "--runs", store.root, code=2)
    assert "already exists" in message
    missing = tmp_path / "none" / "x.tar"
    message = moved(capsys, "export", missing, "--runs", store.root, code=2)
    assert f"there is no folder {tmp_path / 'none'}" in message
    message = moved(capsys, "export", tmp_path / "x.tar", "--runs", tmp_path / "none", code=2)
    assert "there is nothing to export" in message
    assert not list(tmp_path.glob(".*"))
    # One bad record hides no other.
    (store.folder("f" * 64)).mkdir()
    (store.folder("f" * 64) / "record.json").write_text("{")
    out = moved(capsys, "export", tmp_path / "x.tar", "--runs", store.root, code=1)
    assert "left out: " in out
    assert "1 run and 0 studies" in out


def test_no_export_lies_in_the_folder_of_a_run_or_a_study(tmp_path: Path, capsys: Capture) -> None:
    store = Store(tmp_path / "runs")
    put(store, plain_record())
    study = store.root / "studies" / "se-01234567"
    study.mkdir(parents=True)
    (study / "study.json").write_text("{}")
    before = files(store.root)
    for folder, what in ((store.folder(DIGEST), "run"), (study, "study")):
        (tmp_path / "link.tar").symlink_to(folder / "x.tar")
        for target in (folder / "x.tar", folder / "new", tmp_path / "link.tar"):
            said = moved(capsys, "export", target, "--runs", store.root, code=2)
            assert f"lies in the folder of a {what}" in said
        (tmp_path / "link.tar").unlink()
    assert files(store.root) == before


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
