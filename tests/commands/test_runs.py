"""`fuseablate runs list`, `show` and `rm`."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from fuseablate.commands.program import main
from fuseablate.runs.record import Curves, Failure
from fuseablate.runs.store import Store
from fuseablate.runs.unfinished import Description
from tests.helpers.paths import REPORTS
from tests.helpers.records import DIGEST, plain_record, put

Capture = pytest.CaptureFixture[str]
FAILED = plain_record(
    "f" * 64, status="failed", val=None, test=None, curves=Curves(),
    failure=Failure(step=7, epoch=1, lr=0.1, loss="nan", part="training"),
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store with a run that ended, one that failed, one begun and one spoilt."""
    store = Store(tmp_path)
    put(store, plain_record())
    put(store, FAILED)
    with store.open("a" * 64) as folder:
        about = Description("a" * 64, "fusenet", "13.se=false", "quick", 9, "[/b]", 5)
        folder.write("run.json", about.to_json())
    with store.open("b" * 64) as folder:
        folder.write("record.json", "{")
    return store


def printed(store: Store, capsys: Capture, *words: str, code: int = 0) -> str:
    assert main(["runs", *words, "--runs", str(store.root)]) == code
    out, err = capsys.readouterr()
    return str(err if code == 2 else out)


def test_the_list_has_a_line_for_each_run(store: Store, capsys: Capture) -> None:
    lines = printed(store, capsys, "list").splitlines()
    assert len(lines) == 5
    by_id = {line[:8]: " ".join(line.split()) for line in lines}
    assert "fusenet all.se=false quick some images 3 finished 50.00 75.00" in by_id["01234567"]
    assert "failed - -" in by_id["ffffffff"]
    assert "fusenet 13.se=false quick [/b] 5 interrupted, epoch 0 of 9" in (by_id["aaaaaaaa"])
    assert "unreadable" in by_id["bbbbbbbb"]
    assert main(["runs", "list", "--runs", str(store.root)]) == 0
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.startswith(f"warning: {store.root}/bbbbbbbbbbbbbbbb/record.json: not a record")
    failed = printed(store, capsys, "list", "--status", "failed").splitlines()
    assert [line[:8] for line in failed[1:]] == ["ffffffff"]
    assert "holds no run that is untested" in printed(store, capsys, "list", "--status", "untested")


@pytest.mark.parametrize("width", [60, 80])
def test_a_narrow_list_leaves_columns_out_and_cuts_nothing_short(
    width: int, store: Store, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = printed(store, capsys, "list").splitlines()
    assert max(map(len, lines)) <= width
    assert not [line for line in lines if "…" in line]
    (ended,) = (line.split() for line in lines if line.startswith("01234567"))
    assert {"fusenet", "quick", "finished", "75.00"} <= set(ended)
    assert lines[-1].startswith("No room here for Size, Val %")


def test_a_terminal_without_a_width_still_gets_the_list(
    store: Store, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "0")
    assert "01234567" in printed(store, capsys, "list")


def test_the_list_as_json(store: Store, capsys: Capture) -> None:
    runs = {run["id"]: run for run in json.loads(printed(store, capsys, "list", "--json"))}
    run = runs[DIGEST[:16]]
    size = sum(path.stat().st_size for path in store.folder(DIGEST).iterdir())
    assert run["bytes"] == size
    assert (run["digest"], run["status"], run["held"]) == (DIGEST, "finished", False)
    assert (run["epoch"], run["epochs"], run["test_top1"]) == (1, 1, 0.75)
    assert run["changed"] == 1735689603  # 2025-01-01T00:00:03 UTC
    assert runs["a" * 16]["digest"] == "a" * 64


def test_a_run_that_a_process_trains(store: Store, capsys: Capture) -> None:
    with store.open("a" * 64):
        assert "running, epoch 0 of 9" in printed(store, capsys, "list", "aaaa")
        out = printed(store, capsys, "rm", "aaaa", "0123", "--yes", code=1)
        assert "run aaaaaaaaaaaaaaaa: a process is training it, and it stays" in out
    assert store.folder("a" * 64).is_dir()
    assert not store.folder(DIGEST).exists()


def test_show(store: Store, capsys: Capture) -> None:
    out = printed(store, capsys, "show", "0123")
    for text in ("fusenet", "all.se=false", "top-1 75.00%", "a note", "record.json"):
        assert text in out
    assert "interrupted, epoch 0 of 9" in printed(store, capsys, "show", "aaaa")
    assert printed(store, capsys, "show", "0123", "--json") == plain_record().to_json()
    assert "training loss nan in epoch 1, step 7" in printed(store, capsys, "show", "ffff")
    assert "not a record" in printed(store, capsys, "show", "bbbb", code=2)
    said = printed(store, capsys, "show", "aaaa", "--json", code=2)
    assert f"run {'a' * 16}: has not ended, and so has no record to print as JSON\n" in said
    assert "unknown study or run '77'" in printed(store, capsys, "show", "77", code=2)


def test_runs_of_a_study_are_chosen_by_its_name(capsys: Capture) -> None:
    store = Store(REPORTS / "se")
    for name, runs in (("se", 10), ("studies/se.toml", 10), ("se-iso-ced5fd01", 9)):
        assert len(json.loads(printed(store, capsys, "list", name, "--json"))) == runs
    said = printed(store, capsys, "show", "se", code=2)
    assert "'se' is a study; see it with 'fuseablate runs list se'\n" in said


def test_rm_asks_and_takes_only_what_is_named(
    store: Store, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        return "n" if len(asked) == 1 else "y"

    monkeypatch.setattr("builtins.input", answer)
    said = "name runs or studies to remove, or say --unfinished\n"
    assert said in printed(store, capsys, "rm", code=2)
    assert "nothing removed" in printed(store, capsys, "rm", "--unfinished", code=1)
    assert "remove 1 run (aaaaaaaaaaaaaaaa; 0 of them ended; " in asked[0]
    assert "removed 1 run" in printed(store, capsys, "rm", "--unfinished")
    names = {path.name for path in store.root.iterdir()}
    assert names == {DIGEST[:16], "f" * 16, "b" * 16}
    assert "nothing to remove" in printed(store, capsys, "rm", "--unfinished")
    assert "removed 2 runs" in printed(store, capsys, "rm", "ffff", "bbbb", "--yes")


def test_a_thousand_runs_are_listed_within_seconds(tmp_path: Path, capsys: Capture) -> None:
    store = Store(tmp_path)
    text = (REPORTS / "se" / "3e0cc7084a5aa799" / "record.json").read_text()
    for number in range(1002):
        digest = f"{number:016x}" + "0" * 48
        store.folder(digest).mkdir(parents=True)
        changed = text.replace("3e0cc7084a5aa7995dd5b468343815e4e637141e9dc969acdcd4fabc30f81ff3",
                               digest)  # fmt: skip
        (store.folder(digest) / "record.json").write_text(changed)
    began = time.process_time()
    first = printed(store, capsys, "list")
    assert len(first.splitlines()) == 1002
    assert "2 more; --newest N lists as many, --json all" in first.splitlines()[-1]
    assert time.process_time() - began < 4
    # What has been read is not read again, and what has changed since is.
    began = time.process_time()
    assert printed(store, capsys, "list") == first
    assert time.process_time() - began < 2
    folder = store.folder(f"{0:016x}")
    (folder / "record.json").write_text("{")
    shutil.rmtree(store.folder(f"{1:016x}"))
    runs = json.loads(printed(store, capsys, "list", "--json"))
    assert len(runs) == 1001
    index = json.loads((tmp_path / "index.json").read_text())
    assert len(index["runs"]) == 1000  # neither the spoilt run nor the one that is gone
    assert [run["id"] for run in runs if run["status"] == "unreadable"] == [f"{0:016x}"]
    (tmp_path / "index.json").write_text('{"runs": 5}')
    assert json.loads(printed(store, capsys, "list", "--json")) == runs
    newest = json.loads(printed(store, capsys, "list", "--json", "--newest", "3"))
    assert newest == runs[:3]
