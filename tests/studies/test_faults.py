"""What a study meets besides a kill: full disks, files in the way, spoilt files, clocks."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from fuseablate.commands.program import main
from fuseablate.errors import InputError
from fuseablate.io.lock import is_held
from fuseablate.runs.status import StudyStatus, held
from fuseablate.runs.store import Store
from fuseablate.studies.trials import Trials, open_storage, open_study
from tests.helpers.disks import fill, tmpfs
from tests.helpers.equal_runs import check_equal, check_weights
from tests.helpers.processes import children_of, wait_until
from tests.helpers.study_process import exit_code, run_arguments, start_study, write_study

EPOCHS = 30


def run_here(study: Path, runs: Path) -> int:
    """Run a study by the command in this process; its worker is a process all the same."""
    return main(run_arguments(study, runs, 1))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(tmp_path_factory.mktemp("study"), seeds=[0], epochs=EPOCHS)


@pytest.fixture(scope="module")
def whole(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the store of the study's two runs, which nothing disturbed."""
    runs = tmp_path_factory.mktemp("whole")
    output = runs / "log"
    parent = start_study(study, runs, output, workers=1)
    parent.join()
    assert parent.exitcode == 0, output.read_text()
    return runs


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "copy")


def check_whole(runs: Path, whole: Path) -> None:
    """Check that a store holds what the undisturbed one does, to the last bit."""
    others = {record.digest: record for record in Store(runs).records()}
    expected = {record.digest: record for record in Store(whole).records()}
    assert others.keys() == expected.keys()
    for digest, undisturbed in expected.items():
        check_equal(undisturbed, others[digest])
        check_weights(Store(whole).folder(digest), Store(runs).folder(digest))


@pytest.mark.slow
def test_a_full_disk_ends_a_study_in_one_line_and_it_goes_on_later(
    study: Path, whole: Path, tmp_path: Path
) -> None:
    output = tmp_path / "log"
    with tmpfs(tmp_path / "disk", "size=1m") as disk:
        runs = disk / "runs"
        parent = start_study(study, runs, output, workers=1)
        try:
            assert wait_until(lambda: list(runs.glob("*/checkpoint.pt")))
            fill(disk / "filled")
            code, text = exit_code(parent), output.read_text()
            assert code in (1, 2), text
            assert "No space left on device" in text
            assert "Traceback" not in text
            assert not children_of(parent.pid)

            # Started again it says the same, at once.
            again = start_study(study, runs, tmp_path / "again", workers=1)
            code, text = exit_code(again), (tmp_path / "again").read_text()
            assert code in (1, 2), text
            assert "No space left on device" in text
            assert "Traceback" not in text

            (disk / "filled").unlink()
            last = start_study(study, runs, tmp_path / "last", workers=1)
            assert exit_code(last) == 0, (tmp_path / "last").read_text()
            check_whole(runs, whole)
        finally:
            parent.kill()


def test_a_read_only_store_is_refused_in_one_line(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with tmpfs(tmp_path / "disk", "ro") as disk:
        assert run_here(study, disk) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "Read-only file system; nothing was begun" in error


def test_a_file_in_the_way_of_the_studies_is_refused_in_one_line(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "studies").write_text("mine")
    assert run_here(study, tmp_path) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert str(tmp_path / "studies") in error
    assert "nothing was begun" in error
    assert (tmp_path / "studies").read_text() == "mine"


def test_what_is_done_is_said_to_be_kept_once_a_study_has_begun(tmp_path: Path) -> None:
    def refused() -> str:
        with pytest.raises(InputError) as error, held(tmp_path, "se"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return str(error.value)

    assert refused().endswith("No space left on device; nothing was begun")
    StudyStatus(study="se", title="", pid=1, workers=1, lines=[]).save(tmp_path)
    assert "No space left on device; what is done is kept, and" in refused()


def test_a_file_in_the_way_of_a_run_costs_that_run_alone(
    study: Path, whole: Path, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = Store(whole).records()[0].digest
    folder = Store(copy).folder(digest)
    shutil.rmtree(folder)
    folder.write_text("mine")
    assert run_here(study, copy) == 1
    assert f"run folder {folder}: cannot be written" in capsys.readouterr().out
    assert folder.read_text() == "mine"
    assert len(Store(copy).records()) == 1

    folder.unlink()
    assert run_here(study, copy) == 0
    assert {record.digest for record in Store(copy).records()} == {
        record.digest for record in Store(whole).records()
    }


def test_deleted_checkpoints_cost_no_more_than_their_epochs(
    study: Path, whole: Path, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    parent = start_study(study, runs, tmp_path / "log", workers=1)
    assert wait_until(lambda: list(runs.glob("*/checkpoint.previous.pt")))
    workers = children_of(parent.pid)
    for pid in (parent.pid or 0, *workers):
        os.kill(pid, signal.SIGKILL)
    parent.join()
    (path, *_) = runs.glob("*/checkpoint.previous.pt")
    for checkpoint in path.parent.glob("checkpoint*"):
        checkpoint.unlink()
    again = start_study(study, runs, tmp_path / "log", workers=1)
    assert exit_code(again) == 0, (tmp_path / "log").read_text()
    check_whole(runs, whole)


def test_a_truncated_record_is_named_and_not_overwritten(
    study: Path, whole: Path, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = Store(whole).records()[0].digest
    path = Store(copy).folder(digest) / "record.json"
    half = path.read_bytes()[: path.stat().st_size // 2]
    path.write_bytes(half)
    assert run_here(study, copy) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert str(path) in error
    assert path.read_bytes() == half


def test_a_clock_that_jumps_changes_nothing(
    study: Path, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_here(study, copy) == 0
    table = capsys.readouterr().out
    for path, year in zip(sorted(copy.glob("*/record.json")), ("1970", "2999"), strict=True):
        record = json.loads(path.read_bytes())
        record["started"], record["ended"] = (
            "2026" + record["started"][4:],
            year + record["ended"][4:],
        )
        path.write_text(json.dumps(record))
        os.utime(path, (0, 0))
    assert run_here(study, copy) == 0
    assert sorted(capsys.readouterr().out.split()) == sorted(table.split())

    (status,) = copy.glob("studies/*/status.json")
    board = json.loads(status.read_bytes())
    status.write_text(json.dumps({**board, "updated": board["updated"] + 1e6}))
    assert main(["study", "status", "--runs", str(copy)]) == 0
    assert "-" not in capsys.readouterr().out.rpartition("last change")[2]


def journal(folder: Path) -> BaseStorage:
    return open_storage(None, folder)


def filed(folder: Path) -> list[tuple[str, TrialState, float | None]]:
    trials = open_study("mine", journal(folder)).trials
    return [(trial.user_attrs["variant"], trial.state, trial.value) for trial in trials]


def test_a_trial_that_a_killed_process_left_goes_on(tmp_path: Path) -> None:
    Trials(open_study("mine", journal(tmp_path))).start("a", {}, {})
    trials = Trials(open_study("mine", journal(tmp_path)))
    for name, value in (("a", 0.25), ("b", 0.75)):
        trials.start(name, {}, {})
        trials.finish(name, TrialState.COMPLETE, [value], {})
    assert filed(tmp_path) == [
        ("a", TrialState.COMPLETE, 0.25),
        ("b", TrialState.COMPLETE, 0.75),
    ]


def test_a_journal_that_is_spoilt_in_the_middle_may_be_moved_away(tmp_path: Path) -> None:
    Trials(open_study("mine", journal(tmp_path))).start("a", {}, {})
    path = tmp_path / "journal.log"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b"spoilt\n", *lines[1:]]))
    with pytest.raises(InputError, match=r"journal\.log: cannot be read .*; move the file away"):
        journal(tmp_path)
    path.rename(tmp_path / "journal.spoilt")
    trials = Trials(open_study("mine", journal(tmp_path)))
    trials.start("a", {}, {})
    assert [trial.user_attrs["variant"] for trial in trials.all()] == ["a"]


def test_half_a_line_of_the_journal_is_cut_off(tmp_path: Path) -> None:
    Trials(open_study("mine", journal(tmp_path))).start("a", {}, {})
    whole = (tmp_path / "journal.log").read_bytes()
    (tmp_path / "journal.log").write_bytes(whole + whole.splitlines()[-1][:20])
    trials = Trials(open_study("mine", journal(tmp_path)))
    trials.finish("a", TrialState.COMPLETE, [0.5], {})
    assert filed(tmp_path) == [("a", TrialState.COMPLETE, 0.5)]


@pytest.mark.timeout(120)
def test_a_lock_that_a_killed_process_left_is_no_hindrance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A relative path, such as the default `runs`: Optuna's lock is then a link to nothing, and
    # it would wait for ever.
    monkeypatch.chdir(tmp_path)
    Path("study").mkdir()
    Path("study/journal.log.lock").symlink_to("study/journal.log")
    Trials(open_study("mine", journal(Path("study")))).start("a", {}, {})
    assert not Path("study/journal.log.lock").is_symlink()


def test_a_look_at_the_lock_leaves_no_trace(tmp_path: Path) -> None:
    assert not is_held(tmp_path)
    assert not list(tmp_path.iterdir())
    with held(tmp_path, "mine"):
        assert is_held(tmp_path)
        assert (tmp_path / "lock").read_text() == str(os.getpid())
    assert not is_held(tmp_path)
    assert (tmp_path / "lock").read_text() == str(os.getpid())
