"""What a run shows: plain lines, bars on a terminal, and nothing."""

from __future__ import annotations

import io

import pytest

from fuseablate.io.terminal import Screen
from fuseablate.runs.record import Curves
from fuseablate.training.progress import (
    BarProgress,
    LineProgress,
    Progress,
    QuietProgress,
    SilentProgress,
    suited_progress,
)

CURVES = Curves((0.1,), (3.6891,), (0.11701,), (3.5,), (0.125,), (41.26,), (1091.4,))
LINE = "lr 0.1  train 3.689 11.70%  val 3.500 12.50%  41.3 s  1,091 images/s"


def go(progress: Progress, done: int = 0) -> None:
    progress.begin("fusenet all.se=false seed 0", 20, done, 45_000)
    progress.step(128, 4.6)
    progress.epoch(CURVES)
    progress.say("a [warning]")
    progress.end()


def test_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    go(LineProgress())
    go(LineProgress(), done=3)
    begin, epoch, said, again, *_ = capsys.readouterr().out.splitlines()
    assert begin == "fusenet all.se=false seed 0: 20 epochs, 45,000 images each"
    assert epoch == f"fusenet all.se=false seed 0: epoch 1/20  {LINE}"
    assert said == "a [warning]"
    assert again == (
        "fusenet all.se=false seed 0: going on after epoch 3 of 20, 45,000 images each"
    )


def test_bars_on_a_terminal() -> None:
    file = io.StringIO()
    go(BarProgress(Screen(file=file, force_terminal=True, width=80)))
    shown = file.getvalue()
    assert shown.startswith("fusenet all.se=false seed 0\n")
    assert "epoch 2/20" in shown
    assert "whole run" in shown
    assert "val loss 3.500  top-1 12.50%" in shown
    assert "a [warning]\n" in shown


def test_the_bars_loss_and_speed_fit_into_80_columns() -> None:
    file = io.StringIO()
    live = BarProgress(Screen(file=file, force_terminal=True, width=80))
    live.begin("a title", 200, 99, 45_000)
    for _ in range(3):
        live.step(128, 4.6)
    live.end()
    assert "epoch 100/200" in file.getvalue()
    assert "loss 4.600" in file.getvalue()
    assert "images/s" in file.getvalue()


def test_silence_but_for_what_must_be_said(capsys: pytest.CaptureFixture[str]) -> None:
    go(QuietProgress())
    assert capsys.readouterr() == ("", "a [warning]\n")


def test_silence(capsys: pytest.CaptureFixture[str]) -> None:
    go(SilentProgress())
    assert capsys.readouterr() == ("", "")


def test_what_is_no_terminal_gets_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert isinstance(suited_progress(), LineProgress)
