"""`fuseablate bench`: every loop is measured in every turn, and told for people and machines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fuseablate.commands.program import main
from fuseablate.cost import measure
from fuseablate.spec.spec import to_toml
from tests.helpers.small_run import small_spec

LOOPS = ["plain loop", "tuned plain loop", "ours, alone", "ours, 2 stacked"]


def asked(folder: Path, *more: str) -> list[str]:
    path = folder / "small.toml"
    path.write_text(to_toml(small_spec().edit("classes=8")))
    few = ["--batch-size", "16", "--steps", "2", "--turns", "3", "--threads", "1"]
    return ["bench", str(path), "--device", "cpu", *few, "--stack", "2", *more]


def test_each_loop_is_measured_in_each_turn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(asked(tmp_path, "--processes", "0", "--json")) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told["images_per_second"]) == LOOPS
    for speeds in told["images_per_second"].values():
        assert len(speeds) == 3
        assert min(speeds) > 0
    assert told["environment"]["device"] == "cpu"
    floor = told["floor"]
    # A network of so few MACs is limited by memory: its floor lies above what any loop reaches.
    assert floor["images_per_second"] > max(max(all) for all in told["images_per_second"].values())
    assert floor["gmacs"] > 0
    kept = told["checkpoint"]
    for waited, written in zip(kept["waited"], kept["written"], strict=True):
        assert 0 < waited <= written
    # A weight and its momentum, float32, and what a zip file says of each tensor.
    assert kept["size"] > 2 * 4 * measure(small_spec().edit("classes=8")).params


def test_a_batch_larger_than_the_data_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*asked(tmp_path), "--batch-size", "9000000"]) == 2
    assert "--batch-size 9000000: must be at most the " in capsys.readouterr().err


@pytest.mark.slow
def test_processes_are_measured_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(asked(tmp_path, "--processes", "2")) == 0
    shown = capsys.readouterr().out
    for title in (*LOOPS, "ours, 2 processes, 1 thread each", "ours, 2 processes of 2 stacked"):
        assert title in shown
    assert "floor" in shown
