"""A run that takes a second: a network of four rows, generated images, a short recipe."""

from __future__ import annotations

import json
from pathlib import Path

from fuseablate.data import load_data
from fuseablate.data.parts import Data
from fuseablate.recipes.recipe import Recipe
from fuseablate.recipes.schedules import Cosine
from fuseablate.runs.record import Curves
from fuseablate.runs.store import Store
from fuseablate.spec.spec import Spec
from fuseablate.training import SilentProgress, train

CLASSES = 4


def small_spec() -> Spec:
    rows = [
        {"id": "1", "op": "conv", "kernel": 3, "norm": "batch", "out": 8, "se": False,
         "nl": "hswish", "stride": 2},
        {"id": "2", "op": "fuse", "kernel": 3, "exp": 16, "out": 16, "se": True, "nl": "relu",
         "stride": 2},
        {"id": "3", "op": "pool"},
        {"id": "4", "op": "conv", "kernel": 1, "out": "classes", "stride": 1, "form": "conv",
         "bias": False, "dropout": True},
    ]  # fmt: skip
    table = {"name": "small", "input": [16, 16], "classes": CLASSES, "dropout": 0.2}
    return Spec.from_dict({**table, "rows": rows})


def small_data(train_images: int = 60) -> Data:
    """Return 54 of 60 images a class for training, 6 for validation, 10 for the test."""
    return load_data(
        "generated", size=16, classes=CLASSES, train_images=train_images, test_images=10
    )


def small_recipe(**changes: object) -> Recipe:
    recipe = Recipe(
        name="small",
        epochs=4,
        batch_size=24,
        optimizer="sgd",
        lr=0.1,
        momentum=0.9,
        nesterov=True,
        weight_decay=5e-4,
        schedule=Cosine(warmup=1),
    )
    return recipe.replace(**changes)


class Diary(SilentProgress):
    """A progress that writes what it is told to a file, a line at once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def note(self, word: str, value: object) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps([word, value]) + "\n")

    def begin(self, title: str, epochs: int, done: int, images: int) -> None:
        self.note("begin", done)

    def epoch(self, curves: Curves) -> None:
        self.note("epoch", len(curves))

    def say(self, message: str) -> None:
        self.note("say", message)

    def read(self) -> list[tuple[str, object]]:
        if not self.path.exists():
            return []
        return [tuple(json.loads(line)) for line in self.path.read_text().splitlines()]


def train_small(root: Path, diary: Path, **changes: object) -> None:
    """Train the small run on one thread; what a process of the kill test does."""
    train(
        small_spec(),
        small_recipe(**changes),
        small_data(),
        seed=1,
        store=Store(root),
        device="cpu",
        threads=1,
        progress=Diary(diary),
    )
