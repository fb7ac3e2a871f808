"""`fuseablate study` as its user has it: run, status, list, rm, Ctrl-C and two at once."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from fuseablate.commands.program import main
from fuseablate.engines import local
from fuseablate.io.cores import usable_cores
from fuseablate.runs.store import Store
from tests.helpers.counting_worker import diary
from tests.helpers.diaries import check_life
from tests.helpers.paths import REPOSITORY
from tests.helpers.processes import alive, children_of, reads_proc, wait_until
from tests.helpers.study_process import exit_code, run_arguments, start_study, write_study

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(tmp_path_factory.mktemp("study"), seeds=[0], epochs=3)


@pytest.fixture(scope="module")
def done(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the store of the study, finished: started by two at once, one of which refused."""
    runs = tmp_path_factory.mktemp("done") / "runs"
    outputs = [runs.with_name(name) for name in ("one", "other")]
    parents = [
        start_study(study, runs, output, "tests.helpers.counting_worker", workers=1)
        for output in outputs
    ]
    for parent in parents:
        parent.join()
    codes = [parent.exitcode for parent in parents]
    texts = [output.read_text() for output in outputs]
    assert sorted(code or 0 for code in codes) == [0, 2], texts
    refused = codes.index(2)
    (line,) = texts[refused].splitlines()
    said = f"study tiny: process {parents[1 - refused].pid} is running it; watch it with "
    assert re.search(f"{said}'fuseablate study status tiny-[0-9a-f]{{8}}'$", line)
    assert "baseline seed 0: done, 3 epochs" in texts[1 - refused]
    return runs


@pytest.fixture
def copy(done: Path, tmp_path: Path) -> Path:
    return shutil.copytree(done, tmp_path / "copy")


def files(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def studies(runs: Path) -> list[Path]:
    return list(runs.glob("studies/*"))


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("builtins.input", lambda _: text)


def test_of_two_that_start_at_once_one_trains(done: Path) -> None:
    assert len(Store(done).records()) == 2
    for path in diary(done).iterdir():
        assert check_life(path, 3) == 0


def test_a_finished_study_trains_nothing_and_ends_within_a_second(
    study: Path, copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(local, "WorkerProcess", None)  # starting one would be an error
    command = run_arguments(study, copy, usable_cores())
    assert main(command) == 0  # imports
    before = files(copy)
    began = time.process_time()
    assert main(command) == 0
    assert time.process_time() - began < 1
    out = capsys.readouterr().out
    assert "baseline" in out
    assert "2.se=false" in out
    after = files(copy)
    assert after.keys() == before.keys()
    changed = {Path(name).name for name in after if after[name] != before[name]}
    assert changed <= {"lock", "status.json", "journal.log"}  # Optuna notes each start


@pytest.mark.parametrize("lines", [True, False])
def test_a_dry_run_prints_the_plan_and_writes_nothing(
    study: Path, done: Path, tmp_path: Path, capsys: Capture, lines: bool
) -> None:
    runs = done if lines else tmp_path / "none"
    before = files(runs)
    assert main([*run_arguments(study, runs, 1), "--dry-run"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "baseline" in out
    assert "se=changed" in out
    assert ("0 to do" if lines else "2 to do") in out
    # 60 images of each of 4 classes, of which a tenth is held out.
    assert "Images: 216 to train on, 24 for validation, 16x16, of 4 classes" in out
    assert files(runs) == before
    assert runs.exists() is lines


def test_another_length_is_a_study_of_its_own(study: Path, tmp_path: Path, capsys: Capture) -> None:
    dry = ["--dry-run", "--epochs"]
    assert main([*run_arguments(study, tmp_path, 1), *dry, "7"]) == 0
    assert "7 epochs each" in " ".join(capsys.readouterr().out.split())
    steps = write_study(tmp_path, schedule='{ kind = "multistep", milestones = [2] }')
    assert main([*run_arguments(steps, tmp_path, 1), *dry, "1"]) == 2
    assert "--epochs 1: schedule.milestones = 2: " in capsys.readouterr().err


def test_status_and_list_of_an_ended_study(copy: Path, capsys: Capture) -> None:
    (folder,) = studies(copy)
    for name in ([], ["tiny"], [folder.name]):
        assert main(["study", "status", *name, "--runs", str(copy)]) == 0
        out = capsys.readouterr().out
        assert "2 done of 2 runs" in out
        assert "ended, last change" in out
    assert main(["study", "list", "--runs", str(copy)]) == 0
    out = capsys.readouterr().out
    assert folder.name in out
    assert "2 of 2" in out


def test_status_and_list_as_json(copy: Path, capsys: Capture) -> None:
    (folder,) = studies(copy)
    assert main(["study", "status", "--json", "--runs", str(copy)]) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["folder"], status["study"], status["state"]) == (str(folder), "tiny", "ended")
    assert status["seconds_left"] is None
    assert {run["variant"]: run["state"] for run in status["runs"]} == {
        "baseline": "done", "se=changed": "done"
    }  # fmt: skip
    assert all((copy / run["digest"][:16] / "record.json").exists() for run in status["runs"])
    assert main(["study", "list", "--json", "--runs", str(copy)]) == 0
    (study,) = json.loads(capsys.readouterr().out)
    title = status["title"]
    assert study == {
        "study": folder.name, "state": "ended", "title": title, "done": 2, "runs": 2,
        "possible": 0, "problem": "",
    }  # fmt: skip


def test_an_empty_store_is_an_empty_list_as_json(tmp_path: Path, capsys: Capture) -> None:
    assert main(["study", "list", "--json", "--runs", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_an_empty_store_has_no_studies(tmp_path: Path, capsys: Capture) -> None:
    assert main(["study", "list", "--runs", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path}: holds no study\n"
    for command in (["status"], ["rm", "tiny"]):
        assert main(["study", *command, "--runs", str(tmp_path)]) == 2
        assert capsys.readouterr().err == f"fuseablate: error: {tmp_path}: holds no study\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("action", ["status", "rm"])
def test_an_unknown_study_is_named_with_those_that_there_are(
    done: Path, capsys: Capture, action: str
) -> None:
    (folder,) = studies(done)
    assert main(["study", action, "tinny", "--runs", str(done)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "'tinny'" in error
    assert folder.name in error
    assert folder.exists()


@pytest.mark.parametrize(("text", "removed"), [("", False), ("n", False), ("y", True)])
def test_rm_asks(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, text: str, removed: bool
) -> None:
    answer(monkeypatch, text)
    assert main(["study", "rm", "tiny", "--runs", str(copy)]) == (0 if removed else 1)
    assert ("nothing removed" in capsys.readouterr().out) is not removed
    assert bool(studies(copy)) is not removed
    assert len(Store(copy).records()) == 2


def test_rm_yes_does_not_ask(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", None)
    assert main(["study", "rm", "tiny", "--yes", "--runs", str(copy)]) == 0
    assert not studies(copy)
    assert len(Store(copy).records()) == 2


def test_a_removed_study_is_filed_anew_from_its_runs(
    study: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["study", "rm", "tiny", "--yes", "--runs", str(copy)]) == 0
    monkeypatch.setattr(local, "WorkerProcess", None)
    assert main(run_arguments(study, copy, 1)) == 0
    assert len(studies(copy)) == 1


@pytest.mark.parametrize(
    ("change", "flags", "words"),
    [
        (("", ""), ["--workers", "99999"], ["--workers 99999", "cores"]),
        (("", ""), ["--wandb", "maybe"], ["maybe", "offline"]),
        (("", ""), ["--gpus", "x"], ["--gpus x"]),
        (("", ""), ["--engine", "cluster"], ["--engine", "'cluster'", "choices: local"]),
        (('design = "one-factor"', 'design = "one-facto"'), [], ["one-facto", "one-factor"]),
        (('spec = "small.toml"', 'spec = "smal.toml"'), [], ["smal.toml"]),
        (("epochs = 3", "epochs = 0"), [], ["epochs", "0"]),
        (("2.se=false", "9.se=false"), [], ["9.se=false"]),
        (('title = "Tiny"', 'title = "Tiny'), [], ["TOML"]),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    study: Path,
    tmp_path: Path,
    capsys: Capture,
    change: tuple[str, str],
    flags: list[str],
    words: list[str],
) -> None:
    shutil.copy(study.with_name("small.toml"), tmp_path)
    path = tmp_path / "tiny.toml"
    assert change[0] in study.read_text()
    path.write_text(study.read_text().replace(*change))
    runs = tmp_path / "runs"
    assert main(["study", "run", str(path), "--runs", str(runs), "--wandb", "off", *flags]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    for word in words:
        assert word in error
    assert not runs.exists()


def test_a_missing_file_is_one_line(tmp_path: Path, capsys: Capture) -> None:
    assert main(["study", "run", str(tmp_path / "none.toml")]) == 2
    assert capsys.readouterr().err == (
        f"fuseablate: error: {tmp_path / 'none.toml'}: cannot be read: No such file or directory\n"
    )


def test_a_shipped_study_is_called_by_its_name(tmp_path: Path, capsys: Capture) -> None:
    runs = ["--runs", str(tmp_path / "runs"), "--dry-run"]
    assert main(["study", "run", "quickstart", *runs]) == 0
    by_name = capsys.readouterr().out
    assert main(["study", "run", str(REPOSITORY / "studies" / "quickstart.toml"), *runs]) == 0
    assert capsys.readouterr().out == by_name
    assert main(["study", "run", "quickstrat", *runs]) == 2
    assert "unknown study 'quickstrat'; did you mean 'quickstart'?" in capsys.readouterr().err


def test_an_installed_package_has_the_shipped_studies(tmp_path: Path) -> None:
    """Laid out as the build says: a wheel holds the package and what is forced into it."""
    build = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    wheel = build["targets"]["wheel"]
    for package in wheel["packages"]:
        shutil.copytree(REPOSITORY / package, tmp_path / package)
    for source, target in wheel["force-include"].items():
        shutil.copytree(REPOSITORY / source, tmp_path / target)
    done = subprocess.run(
        [sys.executable, "-m", "fuseablate", "study", "run", "quickstart", "--dry-run"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "Does everything work?" in done.stdout
    assert "8 runs of generated" in done.stdout


@reads_proc
def test_a_running_study_is_watched_kept_and_interrupted(tmp_path: Path, capsys: Capture) -> None:
    study = write_study(tmp_path, seeds=[0], epochs=5000)
    runs = tmp_path / "runs"
    parent = start_study(study, runs, tmp_path / "log", workers=1)
    try:
        watch_and_interrupt(study, runs, parent, capsys)
    finally:
        parent.kill()
    assert "0 of 2 runs ended; the same command goes on from here" in (tmp_path / "log").read_text()


def status_text(runs: Path, capsys: Capture) -> str:
    assert main(["study", "status", "tiny", "--runs", str(runs)]) == 0
    return capsys.readouterr().out


def watch_and_interrupt(study: Path, runs: Path, parent: BaseProcess, capsys: Capture) -> None:
    assert wait_until(lambda: list(runs.glob("*/checkpoint.pt")))
    assert wait_until(lambda: "▶" in status_text(runs, capsys))  # the status has been written
    workers = children_of(parent.pid)
    assert workers

    for _ in range(3):  # a look does not disturb it
        out = status_text(runs, capsys)
        assert "running, last change" in out
        assert "▶" in out
        assert "/5000" in out
    assert main(["study", "list", "--runs", str(runs)]) == 0
    assert "running" in capsys.readouterr().out

    assert main(["study", "rm", "tiny", "--yes", "--runs", str(runs)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"process {parent.pid} is running it" in error
    assert studies(runs)
    assert main(run_arguments(study, runs, 1)) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"process {parent.pid} is running it" in error
    assert parent.is_alive()

    os.kill(parent.pid or 0, signal.SIGINT)
    assert exit_code(parent) == 130
    assert not any(alive(pid) for pid in workers)
    # The one before alone, where the newest was being written.
    assert len(list(runs.glob("*/checkpoint*.pt"))) > 0
    assert "interrupted, last change" in status_text(runs, capsys)
