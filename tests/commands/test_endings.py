"""How a command ends that is stopped, whose output is gone, or that meets a fault of our own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fuseablate.commands.program import main
from tests.helpers.fuzz import trained

COMMAND = [sys.executable, "-m", "fuseablate"]


def shell(script: str, *, unbuffered: str = "") -> subprocess.CompletedProcess[str]:
    """Run a line of shell in which $F is the command line."""
    environment = {**os.environ, "F": " ".join(COMMAND), "PYTHONUNBUFFERED": unbuffered}
    return subprocess.run(
        ["/bin/sh", "-c", script], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_output_is_one_line(unbuffered: str) -> None:
    done = shell("$F show fusenet > /dev/full", unbuffered=unbuffered)
    assert done.returncode == 2
    assert done.stderr == (
        "fuseablate: error: the output cannot be written: No space left on device\n"
    )


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-", "| head -1"])
def test_streams_that_are_closed_are_no_fault(closed: str) -> None:
    done = shell(f"$F show fusenet {closed}")
    assert done.returncode == 0
    assert done.stderr == ""


def test_an_answer_that_nobody_can_give_is_no(tmp_path: Path) -> None:
    trained.copied(tmp_path)
    done = shell(f"$F study rm study --runs {tmp_path / 'runs'} <&-")
    assert done.returncode == 1
    assert "nothing removed" in done.stdout
    assert done.stderr == ""


def heard() -> None:
    """Tests that run in a shell's background, or by nohup, would hand on that signals are not."""
    for number, _ in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def begun(arguments: list[str], when: Callable[[], bool]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, preexec_fn=heard,  # noqa: PLW1509 - no threads here
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not when() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    return process


SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]


# One signal each in the usual run, as all of them go the same way.
@pytest.mark.parametrize(("number", "code"), [
    pytest.param(*signal_, marks=pytest.mark.slow) if signal_[1] != 143 else signal_
    for signal_ in SIGNALS
])  # fmt: skip
def test_training_is_stopped_and_says_how_to_go_on(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    trained.copied(tmp_path)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("epochs = 3", "epochs = 100_000"))
    run = trained.train_seed(tmp_path, 3)
    finished = len(list(tmp_path.glob("runs/*/checkpoint.pt")))
    process = begun(run, lambda: len(list(tmp_path.glob("runs/*/checkpoint.pt"))) > finished)
    process.send_signal(number)
    out, error = process.communicate(timeout=60)
    assert process.returncode == code
    assert "to go on from there, run the same command again" in out
    assert error == ""
    assert not list(tmp_path.glob("runs/*/.*"))  # nothing half-written


@pytest.mark.parametrize(("number", "code"), [
    pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow), (signal.SIGHUP, 129),
])  # fmt: skip
def test_a_study_is_stopped_with_its_workers(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    trained.copied(tmp_path)
    study = tmp_path / "study.toml"
    text = study.read_text().replace(
        '{ base = "recipe.toml" }', '{ base = "recipe.toml", epochs = 100_000 }'
    )
    study.write_text(text)
    finished = len(list(tmp_path.glob("runs/*/checkpoint.pt")))
    process = begun(
        [*trained.study_run(tmp_path), "--workers", "1"],
        lambda: len(list(tmp_path.glob("runs/*/checkpoint.pt"))) > finished,
    )
    os.killpg(process.pid, number)  # as a terminal does that is closed
    out, error = process.communicate(timeout=60)
    assert process.returncode == code
    assert "the same command goes on from here" in out
    assert error == ""
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)  # no worker is left of its group
    assert not list(tmp_path.glob("runs/*/.*"))


def test_a_signal_that_is_ignored_stays_so(tmp_path: Path) -> None:
    script = "trap '' HUP; $F list & sleep 0.2; kill -HUP $!; wait $!"
    assert shell(script).returncode == 0


def test_what_nobody_foresaw_is_a_line_and_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*arguments: Any) -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("fuseablate.commands.list.shipped_specs", broken, raising=False)
    monkeypatch.setattr("fuseablate.commands.list.run", broken)
    assert main(["list"]) == 70
    error = capsys.readouterr().err
    (kept,) = (tmp_path / "fuseablate").iterdir()
    assert error.count("\n") == 1
    assert "a fault of fuseablate itself, RuntimeError: two lines" in error
    assert str(kept) in error
    assert 'raise RuntimeError("two\\nlines")' in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600
