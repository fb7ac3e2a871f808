"""A store in which some file is a pickle that runs a command: it is never unpickled."""

from __future__ import annotations

import io
import os
import pickle
import shutil
from pathlib import Path

import pytest
import torch

from fuseablate.commands.program import main
from fuseablate.runs.record import Curves
from fuseablate.runs.store import Store
from fuseablate.training import SilentProgress, StoppedError, train
from tests.helpers.inline_workers import train_inline
from tests.helpers.small_run import small_data, small_recipe, small_spec
from tests.helpers.study_file import factor, written

DATA = 'data = { name = "generated", classes = 4, size = 16, train_images = 30, test_images = 5 }'
HEAD = f"""
title = "Small"
question = "Does it work?"
spec = "small.toml"
{DATA}
seeds = [0, 1]
design = "one-factor"
recipe = {{ base = "quick", epochs = 1 }}
"""


class Stops(SilentProgress):
    def epoch(self, curves: Curves) -> None:
        if len(curves) == 2:
            raise StoppedError


class Trap:
    """What makes a folder as soon as it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


def traps(mark: Path) -> list[bytes]:
    """Return a pickle, and a file of `torch.save` that looks like a checkpoint."""
    saved = io.BytesIO()
    torch.save({"run": "0" * 64, "state": Trap(mark)}, saved)
    return [pickle.dumps(Trap(mark)), saved.getvalue()]


@pytest.fixture
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a study file and its store, and in that a run that was interrupted."""
    folder = tmp_path_factory.mktemp("filled")
    study = written(folder, factor("kernel", "7: 2.kernel=7"), head=HEAD)
    with pytest.MonkeyPatch.context() as patch:
        train_inline(patch)
        assert main(["study", "run", str(study), "--runs", str(folder / "runs"), "-q"]) == 0
        for command in (["runs", "list"], ["study", "list"]):
            assert main([*command, "--runs", str(folder / "runs")]) == 0
    store = Store(folder / "runs")
    with pytest.raises(StoppedError):
        train(small_spec(), small_recipe(), small_data(), 0, store=store, progress=Stops())
    return folder


def test_no_file_of_a_store_is_unpickled(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_inline(monkeypatch)
    mark = tmp_path / "mark"
    plain, saved = traps(mark)
    pickle.loads(plain)
    mark.rmdir()  # the trap works
    paths = sorted(path for path in (filled / "runs").rglob("*") if path.is_file())
    names = {path.name: path.relative_to(filled) for path in paths if path.name != "lock"}
    assert names.keys() >= {
        "checkpoint.previous.pt", "checkpoint.pt", "weights.pt", "record.json", "run.json",
        "index.json", "status.json", "study.json", "plan.json", "journal.log",
    }  # fmt: skip
    cases = [(name, plain) for name in names]
    cases += [(name, saved) for name in names if name.endswith(".pt")]
    for number, (name, trap) in enumerate(cases):
        path, folder = names[name], tmp_path / str(number)
        shutil.copytree(filled, folder)
        (folder / path).write_bytes(trap)
        run = path.parts[1]
        commands = [["runs", "list"], ["report"]]
        if run == "studies":
            commands += [["study", "list"], ["study", "status", "mine"]]
        else:
            commands += [["runs", "show", run], ["export", run, "--onnx", str(folder / "a.onnx")]]
            commands += [["runs", "export", "--weights", "--checkpoints", str(folder / "all.zip")]]
        commands += [["study", "run", str(folder / "mine.toml"), "-q"]]
        for command in commands:
            assert main([*command, "--runs", str(folder / "runs")]) in (0, 1, 2), command
            assert not mark.exists(), (name, command)
        if name.startswith("checkpoint"):
            store = Store(folder / "runs")
            train(small_spec(), small_recipe(), small_data(), 0, store=store)
            assert not mark.exists()
