"""Files that a user names: written whole, through links, never in a store's folders."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fuseablate.commands.program import main
from fuseablate.errors import InputError
from fuseablate.runs.output import check_output, write_output
from fuseablate.runs.store import Store
from tests.helpers.disks import fill, tmpfs
from tests.helpers.records import RECORDS


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return a store with two runs and the folder of a study."""
    root = tmp_path / "runs"
    for record in RECORDS[:2]:
        with Store(root).open(record.digest) as folder:
            folder.write("record.json", record.to_json())
    study = root / "studies" / "mine-01234567"
    study.mkdir(parents=True)
    (study / "journal.log").touch()
    return root


def report(store: Path, output: object, *more: str) -> int:
    return main(["report", "--runs", str(store), "--format", "csv", "--output", str(output), *more])


def refused(path: Path, capsys: pytest.CaptureFixture[str], store: Path, *more: str) -> str:
    assert report(store, path, *more) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_a_device_takes_what_is_written_and_stays_one(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Path("/dev/full").stat()
    assert "No space left on device" in refused(Path("/dev/full"), capsys, store)
    assert report(store, "/dev/null") == 0
    for name in ("/dev/full", "/dev/null"):
        assert stat.S_ISCHR(Path(name).stat().st_mode)
    assert Path("/dev/full").stat().st_ino == before.st_ino


def test_the_standard_output_is_written_to_wherever_it_leads(store: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fuseablate", "report", "--runs", str(store),
               "--format", "csv", "--output"]  # fmt: skip
    for name in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
        done = subprocess.run([*command, name], capture_output=True, check=True)
        assert done.stdout.startswith(b"comparison,variant,edits,")
    # A file behind it is appended to, as the shell asked, and not replaced.
    (tmp_path / "log").write_text("first\n")
    with (tmp_path / "log").open("ab") as log:
        subprocess.run([*command, "/dev/stdout"], stdout=log, check=True)
    assert (tmp_path / "log").read_text().startswith("first\ncomparison,variant,edits,")


def test_a_fifo_is_written_to(store: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.append(fifo.read_text()))
    reader.start()
    assert report(store, fifo) == 0
    reader.join()
    assert heard[0].startswith("comparison,")
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_links_are_followed_and_the_file_keeps_its_mode(store: Path, tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    file = tmp_path / "far" / "report.csv"
    file.write_text("old")
    file.chmod(0o640)
    (tmp_path / "near").symlink_to("far")
    (tmp_path / "one").symlink_to("near/report.csv")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    assert report(store, tmp_path / "two") == 0
    assert (tmp_path / "two").is_symlink()
    assert (tmp_path / "one").is_symlink()
    assert file.read_text().startswith("comparison,")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert list(file.parent.iterdir()) == [file]
    # One that leads to a name without a file makes the file there.
    (tmp_path / "new").symlink_to("far/new.csv")
    assert report(store, tmp_path / "new") == 0
    assert (tmp_path / "far" / "new.csv").is_file()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_file_of_another_user_stays_theirs(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    os.chown(tmp_path / "file", 1234, 4321)
    write_output(tmp_path / "file", "--output", "new")
    status = (tmp_path / "file").stat()
    assert (status.st_uid, status.st_gid) == (1234, 4321)


def test_nothing_is_written_in_the_folder_of_a_run_or_of_a_study(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Store(store).folder(RECORDS[0].digest)
    before = (run / "record.json").read_bytes()
    (tmp_path / "link").symlink_to(run / "record.json")
    (tmp_path / "folder").symlink_to(run)
    (run / "below").mkdir()
    for path in (run / "record.json", run / "new.csv", tmp_path / "link", run / "below" / "x",
                 tmp_path / "folder" / "new.csv"):  # fmt: skip
        assert f"lies in the folder of a run, {run}" in refused(path, capsys, store)
    study = store / "studies" / "mine-01234567"
    for path in (study / "journal.log", study / "report.csv"):
        assert refused(path, capsys, store).endswith(
            f"lies in the folder of a study, {study}, where nothing is written or replaced but by "
            "training; name another place\n"
        )
    assert (run / "record.json").read_bytes() == before
    assert not (run / "new.csv").exists()
    # Beside them, and in folders that only look alike, a report may lie.
    (tmp_path / "0123456789abcdef").mkdir()
    for path in (store / "report.csv", tmp_path / "0123456789abcdef" / "report.csv"):
        assert report(store, path) == 0


def test_every_flag_that_names_a_file_has_the_same_rules(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Store(store).folder(RECORDS[0].digest)
    for arguments in (
        ["report", "--runs", str(store), "--svg", f"{run}/a.svg"],
        ["report", "--runs", str(store), "--plot", f"{run}/a.png"],
        ["report", "--runs", str(store), "--output", f"{run}/a.txt"],
        ["show", "fusenet", "--svg", f"{run}/a.svg"],
        ["export", "fusenet", "--onnx", f"{run}/a.onnx"],
        ["convert", "torchvision:resnet18", "--output", f"{run}/a.pt"],
    ):
        for path, said in (
            (arguments[-1], "lies in the folder of a run"),
            (tmp_path / "none" / "deep" / Path(arguments[-1]).name,
             f"there is no folder {tmp_path}/none/deep; the nearest that exists: {tmp_path}"),
        ):  # fmt: skip
            assert main([*map(str, arguments[:-1]), str(path)]) == 2
            printed = capsys.readouterr()
            assert said in printed.err
            assert printed.err.count("\n") == 1
            assert not printed.out
    assert sorted(path.name for path in run.iterdir()) == ["lock", "record.json"]


def test_what_is_no_name_of_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    for path, said in (
        (Path(), "is not a valid file name"),
        (tmp_path, "is a folder; name a file"),
        (tmp_path / "loop", "lead in a circle"),
        (tmp_path / "file" / "x", f"there is no folder {tmp_path}/file; the nearest"),
        (tmp_path / ("x" * 300), "File name too long"),
        (tmp_path / "a\0b", "is not a valid file name"),
    ):
        for writes in (True, False):
            with pytest.raises(InputError, match=said):
                (write_output(path, "--output", "x") if writes else check_output(path, "--output"))
    with pytest.raises(InputError, match=r"must end in \.png or \.svg"):
        check_output(tmp_path / "a.pdf", "--plot", ".png", ".svg")
    write_output(tmp_path / ("é" * 127), "--output", "as long as a name can be")


def test_a_block_device_and_a_socket_are_refused(tmp_path: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        with pytest.raises(InputError, match="is a device or a socket; name a file"):
            write_output(tmp_path / "s", "--output", "x")
    assert stat.S_ISSOCK((tmp_path / "s").stat().st_mode)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is protected from root")
def test_a_protected_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "file").chmod(0o444)
    with pytest.raises(InputError, match="it is protected"):
        write_output(tmp_path / "file", "--output", "new")
    assert (tmp_path / "file").read_text() == "old"


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "disk", "size=256k") as disk:
        (disk / "file").write_text("old")
        fill(disk / "filled")
        with pytest.raises(InputError, match="No space left on device"):
            write_output(disk / "file", "--output", "x" * 100_000)
        assert (disk / "file").read_text() == "old"
        assert sorted(path.name for path in disk.iterdir()) == ["file", "filled"]


def test_a_disk_that_fills_up_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """The limit of a file's size stands for the disk's: the write ends at it, half done."""
    file = tmp_path / "list.svg"
    file.write_text("old")
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); sys.dont_write_bytecode = True; "
        "from pathlib import Path; from fuseablate.runs.output import write_output; "
        "write_output(Path(sys.argv[1]), '--output', 'x' * 100_000)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, file], capture_output=True, text=True, check=False
    )
    assert "InputError: --output" in done.stderr
    assert "File too large" in done.stderr
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]
