"""Runs that are trained to choose by: the test set is not read with them, or once, later."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from fuseablate.commands.program import main
from fuseablate.data.parts import Data, Part
from fuseablate.errors import InputError
from fuseablate.io.checked import checked_dataclass
from fuseablate.report import analyse, of_records
from fuseablate.report.files import WRITERS
from fuseablate.runs.record import Record, read_record
from fuseablate.runs.store import RECORD, WEIGHTS, Store
from fuseablate.spec.spec import to_toml
from fuseablate.training import SilentProgress, train
from fuseablate.training.environment import threads_set
from tests.helpers.comparisons import written
from tests.helpers.records import failed, record
from tests.helpers.small_run import CLASSES, small_data, small_recipe, small_spec
from tests.helpers.study_process import run_arguments


@pytest.fixture(scope="module")
def data() -> Data:
    return small_data()


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with threads_set(1):
        yield


class Untrained(SilentProgress):
    def begin(self, title: str, epochs: int, done: int, images: int) -> None:
        raise AssertionError("trained again")


class ReadError(Exception):
    """The test set was read."""


def unread(data: Data) -> Data:
    def read() -> Part:
        raise ReadError

    return dataclasses.replace(data, read_test=read)


def run(store: Store, data: Data, tested: bool, again: bool = False, **changes: object) -> Record:
    return train(
        small_spec(), small_recipe(**changes), data, 0, store=store, device="cpu", threads=1,
        tested=tested, progress=Untrained() if again else SilentProgress(),
    )  # fmt: skip


@pytest.mark.parametrize("ema", [None, 0.9])
def test_a_run_is_tested_later_as_it_would_have_been_at_its_end(
    tmp_path: Path, data: Data, ema: float | None
) -> None:
    at_once = run(Store(tmp_path / "at-once"), data, tested=True, ema=ema)
    store = Store(tmp_path / "later")
    first = run(store, unread(data), tested=False, ema=ema)
    assert (first.status, first.test, first.untested) == ("finished", None, True)
    assert first.digest == at_once.digest
    path = store.folder(first.digest)
    assert read_record(path / RECORD) == first
    assert run(store, unread(data), tested=False, again=True, ema=ema) == first
    read: list[str] = []

    def watched() -> Part:
        read.append("test")
        return data.test()

    late = run(
        store, dataclasses.replace(data, read_test=watched), tested=True, again=True, ema=ema
    )
    assert late.test == at_once.test
    assert read == ["test"]
    assert late == dataclasses.replace(first, test=late.test, untested=False, notes=late.notes)
    assert late.notes == ("tested from weights.pt on cpu by 1 threads",)
    assert read_record(path / RECORD) == late
    for tested in (True, False):  # what is filed is never read again
        assert run(store, unread(data), tested, again=True, ema=ema) == late


def test_a_test_that_is_killed_is_done_again(tmp_path: Path, data: Data) -> None:
    store = Store(tmp_path)
    first = run(store, data, tested=False)

    def die() -> Part:
        os._exit(9)

    def tests() -> None:
        run(store, dataclasses.replace(data, read_test=die), tested=True)

    process = multiprocessing.get_context("fork").Process(target=tests)
    process.start()
    process.join(120)
    assert process.exitcode == 9
    assert read_record(store.folder(first.digest) / RECORD) == first
    assert run(store, data, tested=True, again=True).test is not None


def other_weights(path: Path) -> None:
    state = torch.load(path, weights_only=True)
    torch.save({name: tensor + 0.1 for name, tensor in state.items()}, path)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (Path.unlink, "is to be tested, and has no weights.pt; put it back or, to have"),
        (
            lambda path: path.write_bytes(b"none"),
            "is not a file of weights.*; put the run's back or, to",
        ),
        (
            lambda path: torch.save({"a": torch.ones(1)}, path),
            "not hold the weights of this run, which is to be tested; put them back or, to",
        ),
        (
            other_weights,
            r"has a validation loss of \d.*, and the record one of \d.*: they are another run's "
            "weights; put the run's back or, to",
        ),
    ],
)
def test_weights_that_are_gone_or_wrong_are_one_line(
    tmp_path: Path, data: Data, spoil: Callable[[Path], object], said: str
) -> None:
    store = Store(tmp_path)
    first = run(store, data, tested=False)
    folder = store.folder(first.digest)
    spoil(folder / WEIGHTS)
    with pytest.raises(InputError, match=said) as error:
        run(store, unread(data), tested=True, again=True)
    assert "\n" not in str(error.value)
    assert str(error.value).endswith(f"to have the run trained anew, remove {folder / RECORD}")
    assert read_record(folder / RECORD) == first
    (folder / RECORD).unlink()
    assert run(store, data, tested=True).test is not None


def test_a_failed_run_has_nothing_to_be_tested(tmp_path: Path, data: Data) -> None:
    changes: dict[str, Any] = {"lr": 1e30, "schedule": {"kind": "cosine"}}
    first = run(Store(tmp_path), unread(data), tested=False, **changes)
    assert (first.status, first.untested) == ("failed", True)
    late = run(Store(tmp_path), unread(data), tested=True, again=True, **changes)
    assert late == dataclasses.replace(first, untested=False)


def test_records_without_the_word_are_tested_ones(tmp_path: Path) -> None:
    table = json.loads(record(0, 0.4).to_json())
    del table["untested"]
    assert checked_dataclass(Record, table) == record(0, 0.4)
    with pytest.raises(InputError, match="needs val and test"):
        checked_dataclass(Record, {**table, "test": None})
    with pytest.raises(InputError, match="takes no test"):
        checked_dataclass(Record, {**table, "untested": True})


def untested(seed: int, top1: float, *edits: str) -> Record:
    return record(seed, top1, *edits, test=None, untested=True)


SEARCHED = [
    untested(0, 0.61),
    untested(0, 0.71, "all.se=false"),
    dataclasses.replace(failed(1, "all.se=false"), untested=True),
    record(5, 0.40),
    record(6, 0.42),
    record(5, 0.37, "all.se=false"),
    record(6, 0.35, "all.se=false"),
]


def test_fresh_runs_are_not_pooled_with_those_of_a_search() -> None:
    fresh, searched = of_records(SEARCHED)
    assert [[run.seed for run in v.runs] for v in fresh.variants] == [[5, 6], [5, 6]]
    assert [[run.seed for run in v.runs] for v in searched.variants] == [[0], [0, 1]]
    assert [len(v.finished) for v in searched.variants] == [1, 1]
    assert not fresh.untested
    report = analyse(searched)
    assert report.metric == "val_top1"
    assert report.sections[0].statistics.analysis is None
    # The validation score of `record` is a point below what it is given.
    assert report.sections[0].variants[1].scores == pytest.approx({0: 70})


def test_untested_runs_of_several_recipes_are_one_table() -> None:
    other = dataclasses.replace(untested(3, 0.5), recipe={"epochs": 2, "lr": 0.25})
    (comparison,) = of_records([*SEARCHED[:2], other])
    assert [(v.name, len(v.runs)) for v in comparison.variants] == [
        ("fusenet lr=0.1", 1), ("fusenet lr=0.25", 1), ("all.se=false lr=0.1", 1)
    ]  # fmt: skip
    assert comparison.recipe == "various, untested"


@pytest.mark.parametrize("form", WRITERS)
def test_every_form_shows_untested_runs_by_validation_and_without_a_verdict(form: str) -> None:
    text = written(form, *of_records(SEARCHED[:3]))
    assert "Test top-1 (%)" not in text
    assert "> better" not in text
    assert form == "html" or "better" not in text  # its styles name all verdicts
    assert "70.00" in text or "70.0" in text
    assert "untested" in text.lower()
    if form == "json":
        (comparison,) = json.loads(text)
        assert comparison["metric"] == "val_top1"
        assert [v["verdict"] for v in comparison["variants"]] == ["untested", "untested"]


def write_search(folder: Path) -> Path:
    (folder / "small.toml").write_text(to_toml(small_spec()))
    path = folder / "look.toml"
    path.write_text(f"""
title = "Look"
question = "Which kernel?"
spec = "small.toml"
data = {{ name = "generated", size = 16, classes = {CLASSES}, train_images = 60, test_images = 10 }}
seeds = [0, 1]
design = "search"
[recipe]
base = "quick"
epochs = 1
batch_size = 24
[search]
sampler = "grid"
finalists = {{ best = 1, seeds = [7] }}
[[search.parameters]]
name = "kernel"
kind = "categorical"
choices = [3, 5]
edit = "2.kernel={{}}"
""")
    return path


def test_a_search_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two trials of two seeds, then the best and the baseline, or both as one, on seed 7."""
    study, runs = write_search(tmp_path), tmp_path / "runs"
    assert main(run_arguments(study, runs, 1)) == 0
    records = Store(runs).records()
    assert sorted((record.seed, record.untested) for record in records) in (
        [(0, True), (0, True), (1, True), (1, True), (7, False)],
        [(0, True), (0, True), (1, True), (1, True), (7, False), (7, False)],
    )
    assert all((record.test is None) == record.untested for record in records)
    capsys.readouterr()
    assert main(["report", "--runs", str(runs)]) == 0
    fresh, _, searched = capsys.readouterr().out.partition("Val top-1")
    assert "Test top-1" in fresh
    assert "Untested: trained for a selection" in searched
    assert "The test set has not been read" in searched
    # A study that compares what was searched tests it, and does not train it again.
    head, _, _ = study.read_text().partition("[search]")
    other = tmp_path / "other.toml"
    other.write_text(
        head.replace('"search"', '"one-factor"').replace("[0, 1]", "[0]")
        + '[[factors]]\nname = "kernel"\nlevels = [{ name = "5", edits = ["2.kernel=5"] }]\n'
    )
    gone = next(record for record in records if record.seed == 0 and record.edits)
    weights = Store(runs).folder(gone.digest) / WEIGHTS
    weights.rename(runs / WEIGHTS)
    assert main(run_arguments(other, runs, 1)) == 1
    said = capsys.readouterr().out
    assert "given up" in said
    assert "is to be tested, and has no weights.pt" in said
    assert "has not been tested yet" in said
    (runs / WEIGHTS).rename(weights)
    assert main(run_arguments(other, runs, 1)) == 0
    before = {record.digest: record for record in records}
    late = [
        record for record in Store(runs).records() if record.test and before[record.digest].untested
    ]
    assert [record.seed for record in late] == [0, 0]
    assert all(record.curves == before[record.digest].curves for record in late)
