"""What a study keeps of its first start, and what one spoilt file may not spoil."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from fuseablate.commands.program import main
from fuseablate.engines.base import Engine, Event
from fuseablate.engines.workers import Workers
from fuseablate.errors import InputError
from fuseablate.runs.manifest import Manifest
from fuseablate.runs.status import RunStatus, StudyStatus
from fuseablate.runs.store import Store
from fuseablate.spec.spec import Spec, to_toml
from fuseablate.studies.execute import as_begun, execute
from fuseablate.studies.fixed import run_design
from fuseablate.studies.plan import make_plan
from fuseablate.studies.screens.live import state_counts
from fuseablate.studies.trials import open_storage
from tests.helpers.image_folder import images
from tests.helpers.instant_engine import InstantEngine, Quiet, driver_of
from tests.helpers.small_run import small_spec
from tests.helpers.study_file import HEAD, factor, loaded


def status(*lines: RunStatus) -> StudyStatus:
    return StudyStatus("se", "SE", pid=1, workers=2, lines=list(lines))


def test_a_study_goes_on_with_the_threads_that_it_began_with(tmp_path: Path) -> None:
    assert as_begun(tmp_path, Workers(("cpu",), 2, 4), print) == Workers(("cpu",), 2, 4)
    # Eight workers of one thread are asked for; with four threads each, 8 cores serve two.
    assert as_begun(tmp_path, Workers(("cpu",), 8, 1, cores=8), print) == Workers(("cpu",), 2, 4)
    assert as_begun(tmp_path, Workers(("cpu",), 1, 8, cores=8), print) == Workers(("cpu",), 1, 4)
    assert as_begun(tmp_path, Workers(("cuda:0",), 3, 1), print) == Workers(("cuda:0",), 3, 4)


def test_a_spoilt_plan_is_named(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("{")
    with pytest.raises(
        InputError, match=r"plan\.json: not what a study began with: not valid JSON: .*; remove it"
    ):
        as_begun(tmp_path, Workers(("cpu",), 1, 1), print)


def test_list_shows_the_others_beside_a_spoilt_study(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("good-1", "bad-2"):
        (tmp_path / "studies" / name).mkdir(parents=True)
    status(RunStatus("baseline", 0, "d", 4, state="done")).save(tmp_path / "studies" / "good-1")
    (tmp_path / "studies" / "bad-2" / "status.json").write_text(json.dumps({"x": 1}))
    assert main(["study", "list", "--runs", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "good-1" in out
    assert "1 of 1" in out
    assert "unreadable" in out


DIVERGES, ENDS = [None], [0.5]


@pytest.mark.parametrize(
    ("curve", "lost", "records", "complete"),
    [
        (ENDS, "", 4, True),
        (ENDS, "2.se=false", 2, False),  # two of the four runs are given up
        (DIVERGES, "", 4, False),
    ],
)
def test_a_study_runs_to_a_result(
    tmp_path: Path, curve: list[float | None], lost: str, records: int, complete: bool
) -> None:
    def start(workers: Workers, *, retries: int, log: Path | None) -> Engine:
        assert (workers.count, retries) == (2, 5)
        return InstantEngine(
            lambda spec, seed: curve,
            slots=workers.count,
            lose=lambda job: bool(lost) and Spec.from_dict(job.spec).label == lost,
        )

    design = 'design = "one-factor"\n' + factor("se", "off: 2.se=false")
    plan = make_plan(loaded(tmp_path, design), None)
    store = Store(tmp_path / "runs")
    view = Quiet()
    result = execute(plan, store, Workers(("cpu",), 2, 1), view, start, retries=5)
    assert result.complete is complete
    assert (len(result.records), result.lost) == (records, 4 - records)
    assert result.manifest == Manifest.load(plan.folder(store))
    assert [sorted(variant.runs) for variant in result.manifest.variants] == [[0, 1], [0, 1]]
    assert not any(line.startswith("finished") for line in view.said)
    again = execute(plan, store, Workers(("cpu",), 2, 1), view, start, retries=5)
    assert again == result
    said = "finished: all 4 runs are in the store, none is trained"
    assert (said in view.said) is (records == 4)


class GoingOn(InstantEngine):
    """Its runs have a checkpoint of three epochs; it is interrupted at the next one."""

    def poll(self, timeout: float) -> list[Event]:
        if not self._events:
            raise KeyboardInterrupt
        events, self._events = self._events, []
        return [dataclasses.replace(event, done=3) for event in events]


def test_a_run_that_goes_on_is_not_shown_at_its_beginning(tmp_path: Path) -> None:
    design = 'design = "one-factor"\n' + factor("se", "off: 2.se=false")
    plan = make_plan(loaded(tmp_path, design), None)
    driver = driver_of(plan, tmp_path / "runs", GoingOn(lambda spec, seed: [], slots=2))
    with pytest.raises(KeyboardInterrupt):
        run_design(driver, plan, open_storage(None, driver.folder))
    lines = driver.status.lines
    assert [(line.state, line.epoch) for line in lines[:2]] == [("running", 3)] * 2
    assert [line.epoch for line in lines[2:]] == [0, 0]


def test_a_batch_larger_than_the_data_ends_the_plan(tmp_path: Path) -> None:
    """Not each run: 4 classes of 100 images, a tenth of them for validation, are 360."""
    body = 'design = "one-factor"\nrecipe = { base = "quick", batch_size = 361 }\n'
    with pytest.raises(
        InputError, match=r"mine\.toml: recipe .*: batch_size = 361: must be at most the 360"
    ):
        make_plan(loaded(tmp_path, body + factor("se", "off: 2.se=false")), None)


def test_a_batch_of_one_image_that_no_batch_norm_can_take_ends_the_plan(tmp_path: Path) -> None:
    """An image of 8x8 is 4x4 behind row 1, and 1x1 within row 2 where that strides by 4."""
    body = 'design = "one-factor"\nrecipe = { base = "quick", batch_size = 1 }\n'
    head = HEAD.replace("size = 16", "size = 8")
    study = loaded(tmp_path, body + factor("stride", "4: 2.stride=4"), head)
    with pytest.raises(
        InputError, match=r"mine\.toml: level stride=4: row 2: batch_size = 1: a batch"
    ):
        make_plan(study, None)


def test_a_batch_of_a_search_that_is_larger_than_the_data_ends_the_plan(tmp_path: Path) -> None:
    body = """design = "search"
[search]
n_trials = 2
finalists = { best = 1, seeds = [9] }
[[search.parameters]]
name = "b"
kind = "categorical"
choices = { small = [], large = { recipe = { batch_size = 361 } } }
"""
    with pytest.raises(InputError, match=r"mine\.toml: recipe .*: batch_size = 361: .* the 360"):
        make_plan(loaded(tmp_path, body), None)


def test_the_time_left_by_hand() -> None:
    # Left: 2 epochs of 10 s, 4 of the same variant (10 s), 4 of one not yet measured (the median
    # of 10 and 20 s: 15 s): 20 + 40 + 60 = 120 s, shared by two workers.
    lines = (
        RunStatus("a", 0, "1", 4, state="running", epoch=2, seconds=10),
        RunStatus("a", 1, "2", 4),
        RunStatus("b", 0, "3", 4),
        RunStatus("c", 0, "4", 4, state="done", epoch=4, seconds=20),
    )
    assert status(*lines).eta() == 60
    assert state_counts(status(*lines)) == "2 waiting, 1 running, 1 done of 4 runs, 1m00s left"
    assert status(lines[0]).eta() == 20  # there is nothing to do for the other worker
    assert status(lines[3]).eta() == 0
    # Six runs more, of 4 epochs of 15 s, shared by two.
    more = status(*lines)
    assert more.longest() == more.eta() == 60
    more.possible = 6
    assert more.longest() == 60 + 6 * 4 * 15 / 2
    unmeasured = status(RunStatus("a", 0, "1", 4))
    assert unmeasured.eta() is None
    assert unmeasured.longest() is None


STUDY = """
title = "Real images"
question = "Do they reach the workers?"
spec = "small.toml"
data = {data}
seeds = [0]
design = "one-factor"
[recipe]
base = "standard"
epochs = 1
batch_size = {batch}
[[factors]]
name = "se"
levels = [{{ name = "off", edits = ["all.se=false"] }}]
"""


def carry_out(tmp_path: Path, root: Path, data: str, batch: int) -> list[float]:
    """Run the study on the real engine; return the images of each test."""
    (tmp_path / "small.toml").write_text(to_toml(small_spec()))
    study = tmp_path / "real.toml"
    study.write_text(STUDY.format(data=data, batch=batch))
    runs = tmp_path / "runs"
    command = ["study", "run", str(study), "--data-root", str(root), "--runs", str(runs),
               "--wandb", "off", "--workers", "1"]  # fmt: skip
    assert main(command) == 0
    records = Store(runs).records()
    assert {record.label for record in records} == {"", "all.se=false"}
    return [record.test.images for record in records if record.test]


@pytest.mark.cifar100
def test_a_study_of_cifar100(tmp_path: Path, cifar100_root: Path) -> None:
    assert carry_out(tmp_path, cifar100_root, '"cifar100"', batch=500) == [10_000, 10_000]


def test_a_study_of_a_folder_of_images(tmp_path: Path) -> None:
    images(tmp_path / "pictures", classes=3, count=12)
    data = '{ name = "folder", size = 16 }'
    assert carry_out(tmp_path, tmp_path / "pictures", data, batch=11) == [36, 36]
