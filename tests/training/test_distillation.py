"""Distillation: its loss by hand, what a distilled run is, what it says, and who is refused."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from fuseablate import InputError, build
from fuseablate.commands.program import main
from fuseablate.data.batches import TrainBatches
from fuseablate.network.modules import Dropout
from fuseablate.recipes import Recipe, Teacher
from fuseablate.report import of_records
from fuseablate.runs import Curves, Record, Store, read_record
from fuseablate.spec import Spec
from fuseablate.streams import stream
from fuseablate.training import SilentProgress, StoppedError, train
from fuseablate.training.distillation import distilled, soft_loss
from fuseablate.training.loop import Order, train_stack
from tests.helpers.small_run import small_data, small_recipe, small_spec


def test_the_loss_by_hand() -> None:
    """Two classes, T = 2: outputs (1/2, 1/2) against the teacher's (3/4, 1/4)."""
    logits = torch.tensor([[1.0, 1.0]])
    taught = torch.tensor([[2 * math.log(3), 0.0]])
    divergence = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert soft_loss(logits, taught, 2.0).item() == pytest.approx(4 * divergence)
    assert soft_loss(taught, taught, 2.0).item() == pytest.approx(0)
    teacher = Teacher(run="0" * 16, temperature=2.0, weight=0.25)
    loss = distilled(torch.tensor(8.0), logits, taught, teacher)
    assert loss.item() == pytest.approx(0.75 * 8 + 0.25 * 4 * divergence)
    # The mean over the batch, as the labels' loss has it.
    both = soft_loss(logits.repeat(5, 1), taught.repeat(5, 1), 2.0)
    assert both.item() == pytest.approx(4 * divergence)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs")


@pytest.fixture
def teacher(store: Store) -> Record:
    """A wider network, trained for an epoch."""
    wide = small_spec().edit("2.exp=32")
    return train(wide, small_recipe(epochs=1), small_data(), 0, store=store)


def taught(record: Record, **changes: Any) -> Recipe:
    teacher = {"run": record.digest[:16], "temperature": 3.0, "weight": 0.6}
    return small_recipe(teacher=teacher, **{"epochs": 2, **changes})


class StopsAfter(SilentProgress):
    def epoch(self, curves: Curves) -> None:
        raise StoppedError


def test_a_distilled_run_is_the_plain_loop_written_out(store: Store, teacher: Record) -> None:
    data, recipe = small_data(), taught(teacher, epochs=1, schedule={"kind": "cosine"})
    record = train(small_spec(), recipe, data, 3, store=store, threads=1)
    older = build(Spec.from_dict(teacher.spec), size=(16, 16)).eval()
    older.load_state_dict(torch.load(store.folder(teacher.digest) / "weights.pt"))
    network = build(small_spec(), seed=3, size=(16, 16)).train()
    for module in network.modules():
        if isinstance(module, Dropout):
            module.generator = stream(3, "dropout")
    batches = TrainBatches(
        data.train, data, 24, "cpu", order=[stream(3, "order")], augment=[stream(3, "augment")]
    )
    optimizer = torch.optim.SGD(network.parameters(), 0.1, 0.9, nesterov=True, weight_decay=5e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(batches))
    losses = []
    for images, labels in batches:
        logits = network(images)
        with torch.no_grad():
            soft = F.softmax(older(images) / 3, 1)
        own = F.softmax(logits / 3, 1)
        divergence = (soft * (soft.log() - own.log())).sum(1).mean()
        loss = 0.4 * F.cross_entropy(logits, labels) + 0.6 * 9 * divergence
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    assert record.curves.train_loss[0] == pytest.approx(sum(losses) / len(losses), rel=1e-3)


def test_a_distilled_run_resumes_and_says_what_its_teacher_cost(
    store: Store, teacher: Record, tmp_path: Path
) -> None:
    recipe, data = taught(teacher), small_data()
    with pytest.raises(StoppedError):
        train(small_spec(), recipe, data, 1, store=store, progress=StopsAfter())
    resumed = train(small_spec(), recipe, data, 1, store=store)
    other = Store(tmp_path / "other")
    (other.root).mkdir()
    (other.root / teacher.digest[:16]).symlink_to(store.folder(teacher.digest))
    whole = train(small_spec(), recipe, data, 1, store=other)
    assert resumed.digest == whole.digest
    assert resumed.curves.train_loss == whole.curves.train_loss  # to the last bit
    assert resumed.test == whole.test
    plain = train(small_spec(), small_recipe(epochs=2), data, 1, store=store)
    assert plain.digest != resumed.digest
    assert plain.teacher is None
    assert "teacher" not in plain.recipe
    assert resumed.recipe["teacher"] == {
        "run": teacher.digest[:16], "temperature": 3.0, "weight": 0.6
    }  # fmt: skip
    cost = resumed.teacher
    assert cost is not None
    assert (cost.run, cost.macs, cost.params) == (teacher.digest, teacher.macs, teacher.params)
    assert (cost.network, cost.seconds) == ("small 2.exp=32", teacher.seconds)
    assert read_record(store.folder(resumed.digest) / "record.json") == resumed
    (comparison,) = of_records([resumed])
    (note, *_) = comparison.notes
    assert note.startswith(f"Distilled from run {teacher.digest[:16]} (small 2.exp=32, ")
    assert note.endswith("), whose cost is not among the costs here: 1 run.")
    # The same teacher, trained anew on a slower machine, is one teacher.
    slower = replace(resumed, seed=2, teacher=replace(cost, seconds=2 * cost.seconds))
    (comparison,) = of_records([resumed, slower])
    assert [note[-7:] for note in comparison.notes if "Distilled" in note] == ["2 runs."]


def test_stacked_runs_learn_each_from_its_own_teacher(
    store: Store, teacher: Record, tmp_path: Path
) -> None:
    same = {"epochs": 1, "lr": 0.01}
    second = train(small_spec(), small_recipe(**same), small_data(), 9, store=store)
    recipes = [taught(teacher, **same), taught(second, **same), small_recipe(**same)]
    orders = [Order(recipe, seed, SilentProgress()) for seed, recipe in enumerate(recipes)]
    stacked = {
        ended.number: ended.outcome
        for ended in train_stack(small_spec(), small_data(), orders, store=store)
    }
    other = Store(tmp_path / "other")
    other.root.mkdir()
    for known in (teacher, second):
        (other.root / known.digest[:16]).symlink_to(store.folder(known.digest))
    for seed, recipe in enumerate(recipes):
        record = stacked[seed]
        assert isinstance(record, Record)
        assert record.environment["steps"].startswith("stacked")
        alone = train(small_spec(), recipe, small_data(), seed, store=other)
        assert record.curves.train_loss == pytest.approx(alone.curves.train_loss, rel=1e-4)
        assert (record.teacher is None) == (seed == 2)


def refused(store: Store, recipe: Recipe, message: str, images: int = 60) -> None:
    before = sorted(store.root.rglob("*"))
    with pytest.raises(InputError, match=message) as caught:
        train(small_spec(), recipe, small_data(images), 0, store=store)
    assert "\n" not in str(caught.value)
    assert sorted(store.root.rglob("*")) == before


def test_a_run_that_cannot_teach_is_refused(store: Store, teacher: Record) -> None:
    place = f"^recipe small.*: teacher.run = {teacher.digest[:16]}: "
    refused(
        store,
        taught(teacher),
        f"{place}was trained on other data .*; name a run on the same$",
        images=40,
    )
    unknown = small_recipe(teacher="0123456789abcdef")
    refused(store, unknown, r"teacher.run = 0123456789abcdef: .* no run|unknown .*run")
    with pytest.raises(
        InputError,
        match=r"teacher.*: must be the id of a run, its 16 digits, as 'fuseablate runs show' prin",
    ):
        small_recipe(teacher=teacher.digest[:8])
    with pytest.raises(InputError, match=r"teacher.weight = 0.0"):
        small_recipe(teacher={"run": "0" * 16, "weight": 0.0})
    weights = store.folder(teacher.digest) / "weights.pt"
    content = weights.read_bytes()
    weights.write_bytes(b"nothing")
    refused(store, taught(teacher), r"weights.pt: is not a file of weights")
    weights.unlink()
    refused(
        store, taught(teacher), f"{place}.*weights.pt is gone; put it back, or name another run$"
    )
    weights.write_bytes(content)


def test_a_diverged_run_cannot_teach(store: Store) -> None:
    recipe = small_recipe(epochs=1, lr=1e30)
    record = train(small_spec(), recipe, small_data(), 0, store=store)
    assert record.status == "failed"
    refused(store, taught(record), r"teacher.run = \w+: the run failed; name one that finished")


ONE_FACTOR = """
design = "one-factor"
[[factors]]
name = "teacher"
levels = [{ name = "some", recipe = { teacher = "0123456789abcdef" } }]
"""
SEARCH = """
design = "search"
[search]
n_trials = 2
finalists = { best = 1, seeds = [9] }
[[search.parameters]]
name = "teacher"
kind = "categorical"
choices = { none = [], some = { recipe = { teacher = "0123456789abcdef" } } }
"""


@pytest.mark.parametrize("design", [ONE_FACTOR, SEARCH])
def test_a_study_is_refused_before_its_first_run(
    design: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"""
title = "Mine"
question = "What?"
data = {{ name = "generated", classes = 4, train_images = 40, test_images = 2 }}
seeds = [0]
{design}""")
    runs = tmp_path / "runs"
    assert main(["study", "run", str(path), "--dry-run", "--runs", str(runs)]) == 2
    error = capsys.readouterr().err
    assert "mine.toml: recipe standard" in error
    assert "teacher.run = 0123456789abcdef: " in error
    assert error.count("\n") == 1
    assert not runs.exists()
