"""Runs of one network that are trained as one, from their checkpoints to their records."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuseablate.data.parts import Data
from fuseablate.errors import InputError
from fuseablate.recipes.recipe import EarlyStop, Recipe
from fuseablate.runs.record import Curves, Record
from fuseablate.runs.store import Store, run_digest
from fuseablate.training import Order, SilentProgress, StoppedError, train, train_stack
from tests.helpers.small_run import small_data, small_recipe, small_spec


class Stopping(SilentProgress):
    """Ends a run after an epoch, and notes where it began."""

    def __init__(self, last: int = -1) -> None:
        self.last = last
        self.began = -1

    def begin(self, title: str, epochs: int, done: int, images: int) -> None:
        self.began = done

    def epoch(self, curves: Curves) -> None:
        if len(curves) == self.last:
            raise StoppedError


@pytest.fixture(scope="module")
def data() -> Data:
    return small_data()


def alone(root: Path, data: Data, recipe: Recipe, seed: int, stop: int = -1) -> Record:
    return train(small_spec(), recipe, data, seed, store=Store(root), device="cpu",
                 progress=Stopping(stop))  # fmt: skip


def check_close(record: Record, other: Record) -> None:
    """Check that two records are of the same run, to the rounding of float32."""
    assert record.digest == other.digest
    assert record.curves.lr == other.curves.lr
    assert record.curves.train_loss == pytest.approx(other.curves.train_loss, rel=1e-3)
    assert record.val is not None
    assert other.val is not None
    assert record.val.loss == pytest.approx(other.val.loss, rel=1e-3)


def test_each_run_of_a_stack_ends_by_itself(tmp_path: Path, data: Data) -> None:
    recipes = [
        small_recipe(),
        small_recipe(lr=1e30, schedule={"kind": "cosine"}),  # diverges
        small_recipe(epochs=2),
        small_recipe(epochs=9, lr=1e-12, schedule={"kind": "cosine"},
                     early_stop=EarlyStop(monitor="training", patience=1)),
        small_recipe(weight_decay=0.01),  # stopped after an epoch
        small_recipe(),  # of a seed that there is not
    ]  # fmt: skip
    orders = [
        Order(recipe, -1 if seed == 5 else seed, Stopping(1 if seed == 4 else -1))
        for seed, recipe in enumerate(recipes)
    ]
    store = Store(tmp_path / "stacked")
    ended = dict(train_stack(small_spec(), data, orders, store=store, device="cpu"))
    assert set(ended) == set(range(6))
    assert isinstance(ended[5], InputError)
    assert isinstance(ended[4], StoppedError)
    for number in range(4):
        record = ended[number]
        assert isinstance(record, Record)
        assert store.get(record.digest) == record
        assert record.environment["steps"] == "stacked (5 runs), eager"
        expected = alone(tmp_path / "alone", data, recipes[number], number)
        assert expected.environment["steps"] == "alone, eager"
        assert (record.status, record.failure) == (expected.status, expected.failure)
        assert record.stopped_epoch == expected.stopped_epoch
        if record.val:
            check_close(record, expected)
    # What was stopped goes on alone, after the epoch that it has; a note says so.
    resumed = alone(store.root, data, recipes[4], 4)
    check_close(resumed, alone(tmp_path / "alone", data, recipes[4], 4))
    (note,) = resumed.notes
    assert note.startswith("from epoch 2 on ")
    assert ", stacked: not bit-equal" in note


def test_what_was_trained_alone_goes_on_in_a_stack(tmp_path: Path, data: Data) -> None:
    """With runs that are as yet untrained, and one that has ended already."""
    recipe = small_recipe(ema=0.9, mixup=0.3)
    store = Store(tmp_path / "runs")
    with pytest.raises(StoppedError):
        alone(store.root, data, recipe, 0, stop=2)
    whole = alone(store.root, data, recipe, 1)
    progresses = [Stopping() for _ in range(3)]
    orders = [Order(recipe, seed, progress) for seed, progress in enumerate(progresses)]
    ended = dict(train_stack(small_spec(), data, orders, store=store, device="cpu"))
    assert [progress.began for progress in progresses] == [2, -1, 0]
    assert ended[1] == whole
    for seed in (0, 2):
        record = ended[seed]
        assert isinstance(record, Record)
        check_close(record, alone(tmp_path / "alone", data, recipe, seed))


def test_the_only_one_that_is_left_is_trained_alone(tmp_path: Path, data: Data) -> None:
    store = Store(tmp_path / "runs")
    whole = alone(store.root, data, small_recipe(), 0)
    orders = [Order(small_recipe(), seed, Stopping()) for seed in (0, 1)]
    ended = dict(train_stack(small_spec(), data, orders, store=store, device="cpu"))
    record, expected = ended[1], alone(tmp_path / "alone", data, small_recipe(), 1)
    assert ended[0] == whole
    assert isinstance(record, Record)
    assert record.environment["steps"] == "alone, eager"
    assert record.curves.train_loss == expected.curves.train_loss  # to the last bit


def test_a_run_that_has_yet_to_be_filed_is_recorded_as_it_was_trained(
    tmp_path: Path, data: Data
) -> None:
    class Killed(Stopping):
        def epoch(self, curves: Curves) -> None:
            if len(curves) == 2:
                raise KeyboardInterrupt

        def say(self, message: str) -> None:
            pass

    store, recipe = Store(tmp_path), small_recipe(epochs=2)
    orders = [Order(recipe, seed, Killed()) for seed in (0, 1)]
    with pytest.raises(KeyboardInterrupt):
        list(train_stack(small_spec(), data, orders, store=store, device="cpu"))
    record = alone(store.root, data, recipe, 0)
    assert record.environment["steps"] == "stacked (2 runs), eager"


@pytest.mark.parametrize("change", [{"batch_size": 27}, {"ema": 0.9}, {"precision": "bf16"}])
def test_runs_that_cannot_be_one_network_are_refused(
    tmp_path: Path, data: Data, change: dict[str, object]
) -> None:
    recipes = (small_recipe(), small_recipe(**change))
    orders = [Order(recipe, 0, SilentProgress()) for recipe in recipes]
    with pytest.raises(
        ValueError,
        match=r"^runs of one stack differ in batch size, precision or having an average$",
    ):
        list(train_stack(small_spec(), data, orders, store=Store(tmp_path), device="cpu"))
    assert not list(tmp_path.iterdir())


def test_a_runs_files_hold_its_own_tensors_alone(tmp_path: Path, data: Data) -> None:
    """A checkpoint of a stacked run is no larger than one of the run alone."""
    sizes = []
    for runs in (1, 4):
        store = Store(tmp_path / str(runs))
        orders = [Order(small_recipe(), seed, Stopping(1)) for seed in range(runs)]
        list(train_stack(small_spec(), data, orders, store=store, device="cpu"))
        digest = run_digest(small_spec(), small_recipe(), data, 0)
        sizes.append((store.folder(digest) / "checkpoint.pt").stat().st_size)
    assert sizes[1] == pytest.approx(sizes[0], rel=0.02)


def test_what_a_killed_stack_left_goes_on(tmp_path: Path, data: Data) -> None:
    class Killed(SilentProgress):
        def epoch(self, curves: Curves) -> None:
            if len(curves) == 2:
                raise KeyboardInterrupt

        def say(self, message: str) -> None:
            pass

    store = Store(tmp_path)
    orders = [Order(small_recipe(), 0, Stopping()), Order(small_recipe(), 1, Killed())]
    with pytest.raises(KeyboardInterrupt):
        list(train_stack(small_spec(), data, orders, store=store, device="cpu"))
    progresses = [Stopping(), Stopping()]
    again = [Order(small_recipe(), seed, progress) for seed, progress in enumerate(progresses)]
    ended = dict(train_stack(small_spec(), data, again, store=store, device="cpu"))
    assert [progress.began for progress in progresses] == [2, 2]
    for record in ended.values():
        assert isinstance(record, Record)
        assert record.notes == ()
