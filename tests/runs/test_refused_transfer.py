"""What no import takes and no export writes: other runs' files, spoilt ones, wrong places."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import shutil
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fuseablate.errors import InputError
from fuseablate.runs.store import Store
from fuseablate.runs.transfer.contents import Summed, belongs
from fuseablate.runs.unfinished import read_checkpoint
from tests.helpers.records import DIGEST, plain_record, put
from tests.helpers.transfers import ID, Capture, files, moved


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


def test_a_differing_record_is_refused_and_nothing_is_put(tmp_path: Path, capsys: Capture) -> None:
    here, there = Store(tmp_path / "here"), Store(tmp_path / "there")
    put(here, plain_record())
    put(here, plain_record("f" * 64))
    put(there, plain_record(started="2025-01-01T00:00:01+00:00"))
    moved(capsys, "export", tmp_path / "x.tar", "--runs", here.root)
    before = files(there.root)
    message = moved(capsys, "import", tmp_path / "x.tar", "--runs", there.root, code=2)
    assert message.endswith(
        f"run {ID}: {there.root} has another record of it, trained at another time or place; "
        "nothing is imported; remove one of the two, or say --keep to leave such runs as they are "
        "here\n"
    )
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
        (good(), {}, "has no manifest.json; is it cut off? export again"),
        ({**listed(good()), f"{ID}/record.json": b"{}"}, {},
         "is not what was exported (its SHA-256 differs); copy it again"),
        ({**listed(good()), f"{ID}/weights.pt": b""}, {},
         f"x.tar: {ID}/weights.pt: is not in manifest.json; nothing is imported"),
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
    assert f"is cut off within '{ID}/weights.pt'; copy it again" in message


@pytest.mark.parametrize(
    ("name", "travels"),
    [
        (f"{ID}/record.json", True),
        (f"{ID}/weights.pt", True),
        (f"{ID}/checkpoint.pt", True),
        (f"{ID}/run.json", True),
        (f"{ID}/checkpoint.previous.pt", False),
        (f"{ID}/lock", False),
        (f"{ID}/recordXjson", False),
        (f"{ID.upper()}/record.json", False),
        (f"{ID[1:]}/record.json", False),
        (f"{ID}0/record.json", False),
        ("studies/se-0011aabb/study.json", True),
        ("studies/se-0011aabb/journal.log", True),
        ("studies/se-0011aabb/workers.log", False),
        ("studies/se-0011aabb/study.txt", False),
        ("studies/se-0011aabb/.json", False),
        ("studies/.hidden/study.json", False),
        ("studies/se/deeper/study.json", False),
        (f"studies/{'x' * 200}/study.json", True),
        (f"studies/{'x' * 201}/study.json", False),
        ("manifest.json", False),
    ],
)
def test_which_files_travel(name: str, travels: bool) -> None:
    assert belongs(name) is travels


def test_what_is_copied_is_counted_to_its_size_and_summed() -> None:
    for size, copied, missing in ((3, b"abc", 0), (2, b"ab", 0), (5, b"abc", 2), (0, b"", 0)):
        counted: list[int] = []
        content, target = Summed(io.BytesIO(b"abc"), size, counted.append), io.BytesIO()
        content.copy_to(target)
        assert target.getvalue() == copied
        assert (content.missing, sum(counted)) == (missing, len(copied))
        assert content.sha256 == hashlib.sha256(copied).hexdigest()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x/data.pkl", {"run": 3, "state": {}}, "it names no run"),
        ("x/data.pkl", {"run": DIGEST, "state": []}, "it names no run"),
        ("x/data.pkl", {"run": DIGEST}, "'state'"),
        ("x/data.pkl", {"run": DIGEST, "state": {}, "more": "x" * 999}, "it is too large"),
        ("data.txt", {}, "StopIteration"),
    ],
)
def test_what_is_no_checkpoint(
    name: str, content: object, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fuseablate.runs.unfinished.PICKLE_BYTES", 500)
    path = tmp_path / "checkpoint.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, pickle.dumps(content))
    with pytest.raises(InputError) as error:
        read_checkpoint(path)
    assert str(error.value) == f"{path}: is not a run's checkpoint: {said}"


def test_a_checkpoint_is_summed_where_that_is_asked_for(tmp_path: Path) -> None:
    curves = {key: list(values) for key, values in vars(plain_record().curves).items()}
    state = {"curves": curves, "notes": [], "started": "", "device": "cpu", "threads": 1}
    path = tmp_path / "checkpoint.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", pickle.dumps({"run": DIGEST, "state": state}))
        archive.writestr("x/data/0", b"numbers")
    for verify in (False, True):
        found = read_checkpoint(path, verify=verify)
        assert (found.path, found.digest, found.epochs) == (path, DIGEST, 1)
    path.write_bytes(path.read_bytes().replace(b"numbers", b"numbeRs"))
    assert read_checkpoint(path).epochs == 1
    with pytest.raises(InputError, match=r"checkpoint: x/data/0 has a wrong checksum$"):
        read_checkpoint(path, verify=True)


def test_places_that_hold_nothing_to_import(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, empty, fifo = tmp_path / ID, tmp_path / "empty", tmp_path / "fifo"
    for folder in (own, empty):
        folder.mkdir()
    os.mkfifo(fifo)
    (tmp_path / "part.tar").write_bytes(bytes(511))
    (tmp_path / "text.tar").write_bytes(b"x" * 1024)
    export = "tar file of 'fuseablate runs export'"
    for path, said in (
        (tmp_path / "none", "cannot be read: No such file or directory"),
        (fifo, "is neither a file nor a folder"),
        (empty, "holds no run: a folder for each is needed, with its record.json"),
        (own, "holds no run: this is a run's own folder; name the one that it lies in, "
              f"{tmp_path}"),
        (tmp_path / "part.tar", f"is not a complete {export}"),
        (tmp_path / "text.tar", f"is not a {export}: "),
    ):  # fmt: skip
        message = moved(capsys, "import", path, "--runs", tmp_path / "runs", code=2)
        assert f"error: {path}: {said}" in message
    tar = tar_of(tmp_path / "x.tar", listed(good()))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    size = len(good()[f"{ID}/record.json"])
    message = moved(capsys, "import", tar, "--runs", tmp_path / "runs", code=2)
    assert message.endswith(f"has {size:,} bytes, and 1,000 are free in {tmp_path / 'runs'}\n")


def test_links_in_a_folder_are_refused(tmp_path: Path, capsys: Capture) -> None:
    store = Store(tmp_path / "store")
    put(store, plain_record())
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / ID).symlink_to(store.folder(DIGEST))
    message = moved(capsys, "import", linked, "--runs", tmp_path / "runs", code=2)
    assert "is a link, or behind one; only plain files are imported" in message
    (linked / ID).unlink()
    (linked / ID).mkdir()
    (linked / ID / "record.json").symlink_to(store.folder(DIGEST) / "record.json")
    moved(capsys, "import", linked, "--runs", tmp_path / "runs", code=2)
    (linked / ID / "record.json").unlink()
    os.mkfifo(linked / ID / "record.json")
    message = moved(capsys, "import", linked, "--runs", tmp_path / "runs", code=2)
    assert "is not a plain file, and nothing else is imported" in message


def test_an_export_is_there_whole_or_not_at_all(tmp_path: Path, capsys: Capture) -> None:
    store = Store(tmp_path / "runs")
    put(store, plain_record())
    (tmp_path / "kept").mkdir()
    message = moved(capsys, "export", tmp_path / "kept", "--runs", store.root, code=2)
    assert "already exists; name a new folder, or a file that ends in .tar" in message
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
