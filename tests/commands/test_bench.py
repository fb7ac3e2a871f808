"""`fuseablate bench`: every loop is measured in every turn, and told for people and machines."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fuseablate.commands.program import main
from fuseablate.cost import measure
from fuseablate.errors import InputError
from fuseablate.spec.spec import to_toml
from fuseablate.training.benchmark import ProcessesLoop
from tests.helpers.small_run import small_data, small_recipe, small_spec

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
    said = capsys.readouterr().err
    assert re.search("--batch-size 9000000: must be at most the [0-9]+ training images of ", said)


@pytest.mark.slow
def test_processes_are_measured_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(asked(tmp_path, "--processes", "2")) == 0
    shown = capsys.readouterr().out
    for title in (*LOOPS, "ours, 2 processes, 1 thread each", "ours, 2 processes of 2 stacked"):
        assert title in shown
    assert "floor" in shown


TWICE = """
from dataclasses import dataclass
from typing import ClassVar
from fuseablate import register
from fuseablate.layers import Cost
from fuseablate.ops.shared import Normed

@dataclass(frozen=True)
class Twice:
    tag: ClassVar[str] = "Twice"

    def infer(self, shape):
        return shape, Cost()

    def module(self):
        from torch import nn

        class Doubled(nn.Module):
            def forward(self, x):
                return 2 * x

        return Doubled()

@dataclass(frozen=True, kw_only=True)
class TwiceRow(Normed):
    op: ClassVar[str] = "twice"
    title: ClassVar[str] = "Twice"

    def layers(self, shape, settings):
        return Twice()

register("ops", "twice", TwiceRow)
"""


@pytest.mark.slow
def test_a_layer_of_ones_own_is_measured_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(TWICE)
    (tmp_path / "own.toml").write_text(
        'input = 16\nclasses = 8\nplugins = ["mine.py"]\nrows = [\n'
        '{ op = "conv", kernel = 3, out = 8, stride = 2, norm = "batch", nl = "relu" },\n'
        '{ op = "twice" },\n{ op = "pool" },\n'
        '{ op = "conv", kernel = 1, out = "classes", form = "linear" },\n]\n'
    )
    few = ["--batch-size", "16", "--steps", "1", "--turns", "1", "--processes", "1", "--json"]
    words = [sys.executable, "-m", "fuseablate", "bench", "own.toml", "--device", "cpu", *few]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    titles = [*LOOPS[:3], "ours, 1 processes, 1 thread each"]
    assert list(json.loads(done.stdout)["images_per_second"]) == titles


@pytest.mark.slow
def test_a_process_that_fails_is_not_waited_for() -> None:
    given = (small_spec(), small_data(), small_recipe(), torch.device("cuda:99"))
    with pytest.raises(InputError, match=r"^ours, 1 processes, .*: a process failed: \w+: .+"):
        ProcessesLoop(*given, processes=1, runs=1)
