"""Data without validation images, `val = 0`: how runs train on them, and who refuses them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from fuseablate.commands.program import main
from fuseablate.data import load_data
from fuseablate.data.parts import Data
from fuseablate.errors import InputError
from fuseablate.recipes.recipe import EarlyStop
from fuseablate.report import ReportOptions, compare
from fuseablate.runs import Curves, Store, read_record
from fuseablate.spec.spec import to_toml
from fuseablate.training import SilentProgress, StoppedError, train
from tests.helpers.image_folder import images
from tests.helpers.small_run import small_recipe, small_spec
from tests.helpers.study_file import HEAD, factor, loaded

TITLE = "generated shapes (not a benchmark) (val = 0: all training images, none for validation)"


def generated(val: int | None = None) -> Data:
    return load_data("generated", val=val, size=16, classes=4, train_images=12, test_images=3)


def test_all_images_are_trained_on() -> None:
    split, whole = generated(), generated(val=0)
    assert (len(split.train), len(split.val)) == (44, 4)
    assert (len(whole.train), len(whole.val)) == (48, 0)
    assert whole.train.labels.tolist() == [label for label in range(4) for _ in range(12)]
    assert torch.equal(whole.test().images, split.test().images)
    assert whole.title == TITLE
    assert "48 to train on, none for validation (val = 0: the last epoch counts" in whole.counts
    assert whole.identity["val"] == 0
    same = {key: value for key, value in split.identity.items() if key not in ("mean", "std")}
    assert {key: whole.identity[key] for key in same} == {**same, "val": 0}


def test_another_number_is_refused() -> None:
    with pytest.raises(InputError, match=r"^val = 5: must be 0, so that all .* or left out: a ten"):
        generated(val=5)


def test_validation_images_of_a_folders_own_are_not_thrown_away(tmp_path: Path) -> None:
    images(tmp_path, classes=2, count=4)
    whole = load_data("folder", tmp_path, size=16, val=0)
    assert (len(whole.train), len(whole.val)) == (8, 0)
    assert whole.parts == "validated on nothing, tested on test/"
    (tmp_path / "train").rename(tmp_path / "elsewhere")
    images(tmp_path / "other", classes=2, count=2)
    (tmp_path / "other" / "train").rename(tmp_path / "val")
    (tmp_path / "elsewhere").rename(tmp_path / "train")
    with pytest.raises(
        InputError, match=r"val = 0: .* has 4 validation images of its own; leave val out$"
    ):
        load_data("folder", tmp_path, size=16, val=0)


class StopsAfter(SilentProgress):
    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def epoch(self, curves: Curves) -> None:
        if len(curves) == self.epochs:
            raise StoppedError


def test_a_run_is_tested_after_its_last_epoch_and_resumes(tmp_path: Path) -> None:
    recipe, data = small_recipe(epochs=3), generated(val=0)
    whole = train(small_spec(), recipe, data, 0, store=Store(tmp_path / "whole"))
    assert (whole.status, whole.val, len(whole.curves)) == ("finished", None, 3)
    assert whole.curves.val_loss == whole.curves.val_top1 == ()
    assert whole.test is not None
    assert whole.data_title == TITLE
    folder = Store(tmp_path / "whole").folder(whole.digest)
    assert read_record(folder / "record.json") == whole
    store = Store(tmp_path / "stopped")
    with pytest.raises(StoppedError):
        train(small_spec(), recipe, data, 0, store=store, progress=StopsAfter(1))
    resumed = train(small_spec(), recipe, data, 0, store=store)
    assert resumed.curves.train_loss == whole.curves.train_loss
    assert resumed.test == whole.test


def test_a_report_of_any_width_has_no_validation_score(tmp_path: Path) -> None:
    """As a page of a notebook has, which is wide enough for a column of it."""
    record = train(small_spec(), small_recipe(epochs=1), generated(val=0), 0, store=Store(tmp_path))
    assert record.test is not None
    shown = compare([record])._repr_html_()
    assert "Test top-1" in shown
    assert "Val top-1" not in shown
    by_val = compare([record], options=ReportOptions(metric="val_top5"))
    assert by_val[0].metric_title == "Test top-5"
    assert by_val.variants[0].mean == 100 * record.test.top5


def test_what_chooses_by_validation_is_refused(tmp_path: Path) -> None:
    store, data = Store(tmp_path / "runs"), generated(val=0)
    with pytest.raises(InputError, match="a run to choose by needs validation images"):
        train(small_spec(), small_recipe(), data, 0, store=store, tested=False)
    watched = small_recipe(early_stop=EarlyStop(patience=1))
    with pytest.raises(InputError, match=r"early_stop.monitor = validation: .* use training"):
        train(small_spec(), watched, data, 0, store=store)
    assert not store.root.exists()
    head = HEAD.replace("size = 16", "size = 16, val = 0")
    body = 'design = "one-factor"\n' + factor("se", "off: all.se=false")
    assert loaded(tmp_path, body, head).data.options == {"classes": 4, "size": 16, "val": 0}
    tune = """
    [tune]
    n_trials = 2
    seeds = [7]
    parameters = [{ name = "lr", kind = "float", low = 0.1, high = 1.0, recipe = "lr" }]
    """
    with pytest.raises(
        InputError, match=r"data.val = 0: tune chooses by validation; leave val out$"
    ):
        loaded(tmp_path, body + tune, head)
    search = """design = "search"
    [search]
    n_trials = 2
    finalists = { best = 1, seeds = [7] }
    parameters = [{ name = "k", kind = "categorical", choices = [3, 5], edit = "fuse.kernel={}" }]
    """
    with pytest.raises(InputError, match=r"data.val = 0: design = \"search\" chooses by valid"):
        loaded(tmp_path, search, head)
    with pytest.raises(InputError, match=r"val = 3: must be 0"):
        loaded(tmp_path, body, HEAD.replace("size = 16", "size = 16, val = 3"))


STUDY = """
title = "Mine"
question = "What?"
spec = "small.toml"
seeds = [0, 1]
design = "one-factor"
recipe = "short.toml"
factors = [{ name = "se", levels = [{ name = "off", edits = ["all.se=false"] }] }]

[data]
name = "generated"
size = 16
classes = 4
train_images = 12
test_images = 3
val = 0
"""


@pytest.fixture
def study(tmp_path: Path) -> str:
    (tmp_path / "small.toml").write_text(to_toml(small_spec()))
    recipe = 'epochs = 1\nbatch_size = 24\noptimizer = "sgd"\nlr = 0.05\n'
    (tmp_path / "short.toml").write_text(recipe)
    path = tmp_path / "mine.toml"
    path.write_text(STUDY)
    return str(path)


def test_the_plan_says_it(study: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "run", study, "--dry-run", "--runs", str(tmp_path / "runs")]) == 0
    out = capsys.readouterr().out
    assert "48 to train on, none for validation (val = 0: the last epoch counts" in out
    assert f"4 runs of {TITLE}" in out


@pytest.mark.slow
def test_a_study_and_its_report_say_it(
    study: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = ["--runs", str(tmp_path / "runs")]
    assert main(["study", "run", study, "--workers", "1", *runs]) == 0
    assert "val = 0: all training images" in capsys.readouterr().out
    assert main(["report", "mine", "--json", *runs]) == 0
    (comparison,) = json.loads(capsys.readouterr().out)
    assert [len(variant["runs"]) for variant in comparison["variants"]] == [2, 2]
    page = tmp_path / "page.html"
    assert main(["report", "mine", "--format", "html", "--output", str(page), *runs]) == 0
    assert "val = 0: all training images" in page.read_text()
