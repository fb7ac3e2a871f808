"""The threads of a run are what was asked for, whoever trains it and beside how many others."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fuseablate.commands.program import main
from fuseablate.runs.store import Store
from fuseablate.spec.spec import to_toml
from tests.helpers.image_folder import images
from tests.helpers.small_run import small_spec

RECIPE = 'epochs = 2\nbatch_size = 27\noptimizer = "sgd"\nlr = 0.05\n'
STUDY = """
title = "Threads"
question = "Are they what was asked for?"
spec = "small.toml"
data = { name = "folder", size = 16 }
recipe = "short.toml"
seeds = [0]
design = "one-factor"
factors = [{ name = "se", levels = [{ name = "off", edits = ["all.se=false"] }] }]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    images(tmp_path / "pictures", classes=3, count=30)
    for name, text in (("small", to_toml(small_spec())), ("short", RECIPE), ("study", STUDY)):
        (tmp_path / f"{name}.toml").write_text(text)
    return tmp_path


def trained(folder: Path, command: str, *flags: str, runs: str) -> dict[str, torch.Tensor]:
    """Run a command on the pictures; return the weights of the baseline and check its threads."""
    root = ["--data-root", str(folder / "pictures"), "--runs", str(folder / runs)]
    if command == "train":
        recipe = str(folder / "short.toml")
        what = ["train", str(folder / "small.toml"), "--data", "folder", "--input", "16",
                "--recipe", recipe, "--device", "cpu"]  # fmt: skip
    else:
        what = ["study", "run", str(folder / "study.toml"), "--wandb", "off"]
    assert main([*what, *root, *flags]) == 0
    store = Store(folder / runs)
    (record,) = (record for record in store.records() if not record.label)
    threads = int(flags[flags.index("--threads") + 1]) if "--threads" in flags else 1
    assert record.environment["threads"] == threads
    weights: dict[str, torch.Tensor] = torch.load(store.folder(record.digest) / "weights.pt")
    return weights


def equal(weights: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return weights.keys() == other.keys() and all(
        torch.equal(weights[name], other[name]) for name in weights
    )


def test_a_run_has_one_thread_whoever_trains_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = trained(folder, "train", runs="alone")
    assert "on the CPU with 1 thread; --threads N uses more cores" in capsys.readouterr().out
    assert equal(trained(folder, "study", runs="study"), alone)  # a worker on each core


def test_and_as_many_as_are_asked_for_which_a_study_keeps_and_says(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = trained(folder, "train", "--threads", "2", runs="alone")
    assert "on the CPU with 2 threads\n" in capsys.readouterr().out
    assert equal(trained(folder, "study", "--threads", "2", runs="study"), alone)

    store = Store(folder / "study")
    (digest,) = (record.digest for record in store.records() if not record.label)
    (store.folder(digest) / "record.json").unlink()
    capsys.readouterr()
    root = ["--data-root", str(folder / "pictures"), "--runs", str(folder / "study")]
    assert main(["study", "run", str(folder / "study.toml"), "--wandb", "off", *root]) == 0
    said = "going on with 2 CPU threads a run, as the study began (asked for: 1)"
    assert said in capsys.readouterr().out
    (record,) = (record for record in store.records() if not record.label)
    assert record.environment["threads"] == 2
    assert equal(torch.load(store.folder(digest) / "weights.pt"), alone)
