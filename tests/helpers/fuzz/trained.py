"""A store with a finished and an unfinished run of a tiny network, and a study of it: made once."""

from __future__ import annotations

import shutil
import tempfile
from functools import lru_cache
from pathlib import Path

import pytest
import torch
from PIL import Image

from fuseablate.data import load_data
from fuseablate.recipes.load import load_recipe
from fuseablate.runs.record import Curves
from fuseablate.runs.store import Store
from fuseablate.spec.catalog import load_spec
from fuseablate.studies.plan import make_plan
from fuseablate.studies.study import load_study
from fuseablate.training import SilentProgress, train
from tests.helpers.fuzz.running import run

SPEC = """
input = 8
classes = 2
[[rows]]
op = "conv"
kernel = 3
norm = "batch"
out = 8
nl = "relu"
stride = 2
[[rows]]
op = "pool"
[[rows]]
op = "conv"
kernel = 1
out = "classes"
"""
RECIPE = 'epochs = 3\nbatch_size = 4\noptimizer = "adam"\nlr = 0.1\nema = 0.9\n'
STUDY = """
title = "Small"
question = "Does it work?"
spec = "small.toml"
data = { name = "folder", size = 8 }
recipe = { base = "recipe.toml" }
seeds = [0]
design = "one-factor"
[[factors]]
name = "nl"
levels = [{ name = "elu", edits = ["1.nl=elu"] }]
"""


class _Broken(SilentProgress):
    """Ends the run after its second epoch."""

    def epoch(self, curves: Curves) -> None:
        if len(curves) == 2:
            raise KeyboardInterrupt

    def say(self, message: str) -> None:
        """Say nothing."""


@lru_cache(maxsize=1)
def _made() -> tempfile.TemporaryDirectory[str]:
    made = tempfile.TemporaryDirectory()
    root = Path(made.name)
    for name, text in (("small", SPEC), ("recipe", RECIPE), ("study", STUDY)):
        (root / f"{name}.toml").write_text(text)
    draw = torch.Generator().manual_seed(0)
    for part, count in (("train", 12), ("test", 2)):
        for label in ("cat", "dog"):
            folder = root / "data" / part / label
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = torch.randint(256, (8, 8, 3), dtype=torch.uint8, generator=draw)
                Image.fromarray(pixels.numpy()).save(folder / f"{number}.png")
    store = Store(root / "runs")
    plan = make_plan(load_study(root / "study.toml"), root / "data")
    for planned in plan.runs:
        train(planned.variant.spec, planned.variant.recipe, plan.data, planned.seed, store=store,
              device="cpu", threads=1, progress=SilentProgress())  # fmt: skip
    data = load_data("folder", root / "data", size=8)
    recipe = load_recipe(root / "recipe.toml")
    with pytest.raises(KeyboardInterrupt):
        train(load_spec(root / "small.toml"), recipe, data, 7, store=store, device="cpu",
              threads=1, progress=_Broken())  # fmt: skip
    run(study_run(root))
    return made


def copied(folder: Path) -> Path:
    """Return the store in `folder`, with the specs, recipe, study and data beside it."""
    shutil.copytree(_made().name, folder, dirs_exist_ok=True)
    return folder / "runs"


def study_run(folder: Path) -> list[str]:
    """Return the command of the study, whose runs are all in the store."""
    return ["study", "run", str(folder / "study.toml"), "--data-root", str(folder / "data"),
            "--runs", str(folder / "runs")]  # fmt: skip


def train_seed(folder: Path, seed: int) -> list[str]:
    """Return the command of a run; that of seed 7 is unfinished."""
    return ["train", str(folder / "small.toml"), "--recipe", str(folder / "recipe.toml"),
            "--data", "folder", "--data-root", str(folder / "data"), "--device", "cpu",
            "--seeds", str(seed), "--runs", str(folder / "runs")]  # fmt: skip
