"""Variants that are each tuned before they are compared: what is tried, chosen, refused, shown."""

from __future__ import annotations

import io
import math
import os
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from rich.console import Console
from scipy.stats import qmc

from fuseablate.commands.program import main
from fuseablate.engines.base import Job
from fuseablate.errors import InputError
from fuseablate.report import of_study
from fuseablate.runs.manifest import Manifest
from fuseablate.runs.store import Store
from fuseablate.studies.driver import Driver
from fuseablate.studies.execute import carry_out
from fuseablate.studies.manifest import Outcome, manifest_of
from fuseablate.studies.plan import Plan, PlannedRun, make_plan
from fuseablate.studies.recipe_trials import sequence
from fuseablate.studies.screens.plan import print_plan
from fuseablate.studies.study import load_study
from fuseablate.studies.trials import open_storage
from tests.helpers.instant_engine import InstantEngine, Quiet, driver_of
from tests.helpers.processes import wait_until
from tests.helpers.study_file import HEAD, factor, written
from tests.helpers.study_process import exit_code, run_arguments, start, write_study

HEAD_3 = HEAD.replace("seeds", 'recipe = { base = "standard", epochs = 3 }\nseeds')
DESIGN = 'design = "one-factor"\n' + factor("se", "off: 2.se=false")
TUNE = """
[tune]
n_trials = 4
seeds = [100]
[[tune.parameters]]
name = "rate"
recipe = "lr"
kind = "float"
low = 0.01
high = 1.0
log = true
"""
# Shares of the golden ratio's sequence, from the middle on: 0.01 to 1 is 100 to the power of them.
SHARES = [(0.5 + number * (math.sqrt(5) - 1) / 2) % 1 for number in range(4)]
RATES = [float(f"{0.01 * 100**share:.4g}") for share in SHARES]
BEST = {"baseline": 0.06, "se=off": 0.5}  # the rate at which a variant of the fake engine is best


def by_rate(job: Job) -> Sequence[float | None]:
    """A factor of ten beside the variant's best rate costs 0.2."""
    off = not any(row.get("se") for row in job.spec["rows"])
    best = BEST["se=off" if off else "baseline"]
    top1 = 0.9 - 0.2 * abs(math.log10(job.recipe["lr"] / best)) + job.seed / 100_000
    return [top1 / 3, top1 / 2, top1]


def nearest(name: str) -> float:
    return min(RATES, key=lambda rate: abs(math.log10(rate / BEST[name])))


def make(folder: Path, body: str = DESIGN + TUNE, head: str = HEAD_3) -> Plan:
    return make_plan(load_study(written(folder, body, head=head)), None)


@dataclass
class Ended:
    driver: Driver
    engine: InstantEngine
    outcome: Outcome

    @property
    def runs(self) -> Sequence[PlannedRun]:
        return self.outcome.runs

    @property
    def said(self) -> list[str]:
        return cast(Quiet, self.driver.view).said


def printed(plan: Plan, store: Store) -> str:
    out = Console(file=io.StringIO(), width=200)
    print_plan(make_plan(plan.study, None), store, 1, out)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def carry(
    plan: Plan,
    folder: Path,
    by_job: Callable[[Job], Sequence[float | None]] = by_rate,
    stop_after: int | None = None,
    lose: Callable[[Job], bool] = lambda job: False,
) -> Ended:
    """Run a study; after `stop_after` runs it is killed."""
    fake = InstantEngine(lambda spec, seed: [], by_job=by_job, lose=lose, stop_after=stop_after)
    driver = driver_of(plan, folder / "runs", fake)
    return Ended(driver, fake, carry_out(driver, open_storage(None, driver.folder)))


def test_each_variant_tries_the_same_recipes_and_is_compared_at_its_best(tmp_path: Path) -> None:
    plan = make(tmp_path)
    ended = carry(plan, tmp_path)
    tuning = [job for job in ended.engine.trained if job.seed == 100]
    assert not any(job.tested for job in tuning)
    for off in (True, False):
        mine = [job for job in tuning if off != any(row.get("se") for row in job.spec["rows"])]
        assert [job.recipe["lr"] for job in mine] == RATES
    final = [job for job in ended.engine.trained if job.seed != 100]
    assert all(job.tested for job in final)
    assert [(run.variant.names[0], run.seed) for run in ended.runs] == [
        ("baseline", 0), ("se=off", 0), ("baseline", 1), ("se=off", 1)
    ]  # fmt: skip
    assert nearest("baseline") != nearest("se=off")
    for run in ended.runs:
        assert run.variant.recipe.lr == nearest(run.variant.names[0])
    assert sorted(job.key for job in final) == sorted(run.digest for run in ended.runs)
    assert [line.state for line in ended.driver.status.lines] == ["done"] * (8 + 4)
    again = carry(plan, tmp_path)
    assert not again.engine.trained
    assert [run.digest for run in again.runs] == [run.digest for run in ended.runs]


@pytest.mark.parametrize("stop_after", [0, 3, 8, 10])
def test_it_goes_on_where_it_was_killed(tmp_path: Path, stop_after: int) -> None:
    plan = make(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        carry(plan, tmp_path, stop_after=stop_after)
    ended = carry(plan, tmp_path)
    assert len(ended.engine.trained) == 12 - stop_after
    assert [run.variant.recipe.lr for run in ended.runs[:2]] == [*map(nearest, BEST)]


@pytest.mark.parametrize(
    ("seeds", "compared"),
    [
        ("{ each = 1, reference = 3 }", {"baseline": 3, "se=off": 1}),
        ("{ first = 2, step = 1, most = 3 }", {"baseline": 3, "se=off": 3}),
    ],
)
def test_it_goes_with_other_plans_of_seeds(
    tmp_path: Path, seeds: str, compared: dict[str, int]
) -> None:
    plan = make(tmp_path, head=HEAD_3.replace("[0, 1]", seeds))
    # The validation, and so the test, hardly differ between the seeds' own noise.
    ended = carry(plan, tmp_path, noisy)
    assert Counter(run.variant.names[0] for run in ended.runs) == compared
    assert sum(not job.tested for job in ended.engine.trained) == 8
    assert all(run.variant.untuned for run in ended.runs)
    assert not carry(plan, tmp_path, noisy).engine.trained


def noisy(job: Job) -> Sequence[float]:
    """So much noise from seed to seed that a look leaves everything open."""
    return [0.3 + 0.1 * ((7 * job.seed + len(str(job.spec))) % 5) + 0.001 * job.recipe["lr"]]


def test_a_variant_that_has_tried_fewer_recipes_is_not_compared(tmp_path: Path) -> None:
    plan = make(tmp_path)
    ended = carry(plan, tmp_path, lose=lambda job: job.recipe["lr"] == RATES[2])
    assert not ended.runs
    assert not any(job.tested for job in ended.engine.trained)
    assert "the tuning is incomplete" in ended.said[-1]
    assert "0 of 2" in printed(plan, ended.driver.store)
    assert len(carry(plan, tmp_path).runs) == 4


def test_recipes_that_diverge_are_not_chosen(tmp_path: Path) -> None:
    def diverging(job: Job) -> Sequence[float | None]:
        off = not any(row.get("se") for row in job.spec["rows"])
        return [None] if off and job.recipe["lr"] == nearest("se=off") else by_rate(job)

    ended = carry(make(tmp_path), tmp_path, diverging)
    second = sorted(RATES, key=lambda rate: abs(math.log10(rate / BEST["se=off"])))[1]
    assert [run.variant.recipe.lr for run in ended.runs[:2]] == [nearest("baseline"), second]


def test_a_variant_without_a_recipe_is_left_out_and_said(tmp_path: Path) -> None:
    def without(off: bool) -> Callable[[Job], Sequence[float | None]]:
        return lambda job: (
            [None] if off != any(row.get("se") for row in job.spec["rows"]) else by_rate(job)
        )

    plan = make(tmp_path)
    ended = carry(plan, tmp_path, without(off=True))
    assert {run.variant.names[0] for run in ended.runs} == {"baseline"}
    manifest = ended.outcome.manifest
    assert "se=off: none of its 4 recipes was trained to the end" in manifest.notes[0]
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="baseline: none of its 4 recipes") as error:
        carry(make(tmp_path), tmp_path / "other", without(off=False))
    assert str(error.value).endswith(", and all others are compared to it; give other parameters")
    assert "\n" not in str(error.value)


def test_levels_of_the_recipe_are_kept_and_tuned(tmp_path: Path) -> None:
    level = '[[factors]]\nname = "wd"\nlevels = [{ name = "0", recipe = { weight_decay = 0.0 } }]\n'
    plan = make(tmp_path, 'design = "one-factor"\n' + level + TUNE)
    ended = carry(plan, tmp_path)
    other = ended.runs[1].variant
    assert (other.recipe.weight_decay, other.recipe.lr) == (0.0, nearest("baseline"))
    manifest = ended.outcome.manifest
    assert manifest.variants[1].recipe == "weight_decay=0.0"
    assert manifest.variants[1].tuned == f"lr={nearest('baseline'):g}"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("n_trials = 4", "n_trials = 1", "tune.n_trials = 1"),
        ("[100]", "[1, 100]", "tune.seeds: 1 is a seed of the comparison too"),
        ('recipe = "lr"', 'edit = "3.exp=x{}"', "the recipe alone is tuned"),
        ('"lr"', '"epochs"', "all variants are trained for the same epochs; tune another field"),
        ('"lr"', '"label_smoothing"', "recipe: label_smoothing = 1.0: must be less than 1"),
        ('"lr"', '"rate"', "parameters[0]: recipe: unknown field 'rate'"),
        ('kind = "float"\nlow = 0.01\nhigh = 1.0\nlog = true', 'kind = "categorical"\nchoices = '
         "[0.1, 0.2]",
         "n_trials = 4: the parameters give 2 recipes that differ and that all variants take"),
    ],
)  # fmt: skip
def test_what_a_tuning_refuses(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        make(tmp_path, DESIGN + TUNE.replace(old, new))
    assert said in str(error.value)
    assert "mine.toml" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_recipe_by_which_a_variant_cannot_be_trained_is_refused(tmp_path: Path) -> None:
    """Row 2 makes 1x1 of 16x16 here, and the batch norm sees one number a channel."""
    small = 'design = "one-factor"\n' + factor("maps", "small: 1.stride=4 2.stride=4")
    values = 'kind = "categorical"\nchoices = [8, 4, 2, 1]\n'
    batches = TUNE.partition('recipe = "lr"')[0] + 'recipe = "batch_size"\n' + values
    at_place = r"mine\.toml: tune: maps=small: row 2: batch_size = 1: .* needs at least 2 images$"
    with pytest.raises(InputError, match=at_place):
        make(tmp_path, small + batches)
    make(tmp_path, small + batches.replace("2, 1]", "2, 16]"))


def test_a_level_may_not_change_what_is_tuned(tmp_path: Path) -> None:
    level = '[[factors]]\nname = "a"\nlevels = [{ name = "b", recipe = { lr = 0.1 } }]\n'
    with pytest.raises(InputError, match="level a=b: recipe: changes 'lr', which is tuned"):
        make(tmp_path, 'design = "one-factor"\n' + level + TUNE)
    search = 'design = "search"\n[search]\nn_trials = 2\nfinalists = { best = 1, seeds = [9] }\n'
    parameter = TUNE.partition("[[")[2].replace("tune", "search")
    with pytest.raises(InputError, match='tune: design = "search" takes none'):
        make(tmp_path, search + "[[" + parameter + TUNE)


def test_two_tuned_parameters_do_not_change_one_field(tmp_path: Path) -> None:
    """What the trial says of both would be true of one alone."""
    twice = TUNE + TUNE[TUNE.index("[[tune") :].replace('"rate"', '"again"')
    with pytest.raises(
        InputError,
        match=r"tune: .*'lr' is changed by another parameter too; keep one, or part them by 'wh",
    ):
        make(tmp_path, DESIGN + twice)


def test_another_tuning_is_another_study(tmp_path: Path) -> None:
    plain, tuned = make(tmp_path, DESIGN), make(tmp_path)
    assert len({plain.digest, tuned.digest, make(tmp_path).digest}) == 2
    more = make(tmp_path, DESIGN + TUNE.replace("n_trials = 4", "n_trials = 5"))
    assert more.digest != tuned.digest
    assert more.recipes[:4] == tuned.recipes


def test_the_plan_counts_what_is_to_be_tuned_and_compared(tmp_path: Path) -> None:
    plan = make(tmp_path)
    before = printed(plan, Store(tmp_path / "runs"))
    line = "Tuning: 8 runs, 4 recipes for each of 2 variants, seeds: 1, judged by validation; 8 to"
    assert line in before
    assert "4 runs of" in before
    assert "12 to do with the tuning on 1 worker" in before
    after = printed(plan, carry(plan, tmp_path).driver.store)
    assert f"2.se=false lr={nearest('se=off'):g}" in after
    assert "2 of 2" in after
    assert "0 to do with the tuning" in after


def test_the_plan_counts_no_looks_at_the_variants_before_they_are_tuned(tmp_path: Path) -> None:
    """The store has the runs of another study, of the same variants with the study's recipe."""
    carry(make(tmp_path, DESIGN, HEAD_3.replace("[0, 1]", "[0, 1, 2]")), tmp_path)
    looks = HEAD_3.replace("[0, 1]", "{ first = 2, step = 1, most = 4 }")
    plan = make(tmp_path, DESIGN + TUNE, looks)
    before = printed(plan, Store(tmp_path / "runs"))
    assert "4 to 8 runs of" in before
    assert "12 to 16 to do with the tuning" in before


def test_the_report_says_with_which_recipe_each_is_compared(tmp_path: Path) -> None:
    plan = make(tmp_path)
    store = Store(tmp_path / "runs")
    pending = of_study(manifest_of(plan, ()), store.get)
    assert pending.notes == ("The variants are being tuned: nothing is compared yet.",)
    assert [len(variant.seeds) for variant in pending.variants] == [0, 0]
    carry(plan, tmp_path)
    comparison = of_study(Manifest.load(plan.folder(store)), store.get)
    rates = [nearest(name) for name in BEST]
    assert [variant.changes for variant in comparison.variants] == [
        f"lr={rates[0]:g}", f"2.se=false lr={rates[1]:g}"
    ]  # fmt: skip
    assert comparison.recipe.endswith(
        "(3 epochs), tuned for each variant: the best of the same 4 by validation, seed 100"
    )
    assert "lr=" not in comparison.recipe
    assert [len(variant.finished) for variant in comparison.variants] == [2, 2]


def test_the_sequence_is_even() -> None:
    """The first points by hand; below the discrepancy of most random points (scipy's)."""
    golden = (math.sqrt(5) - 1) / 2
    first = [point for (point,) in islice(sequence(1), 3)]
    assert first == pytest.approx([0.5, (0.5 + golden) % 1, (0.5 + 2 * golden) % 1])
    plastic = 1.32471795724474602596  # the real root of x^3 = x + 1
    (_, second) = islice(sequence(2), 2)
    assert second == pytest.approx(((0.5 + 1 / plastic) % 1, (0.5 + 1 / plastic**2) % 1))
    random = np.random.default_rng(0)
    for dimensions in (1, 2, 3):
        for count in (8, 16, 32):
            mine = qmc.discrepancy(np.array(list(islice(sequence(dimensions), count))))
            others = [qmc.discrepancy(random.random((count, dimensions))) for _ in range(200)]
            assert mine < np.median(others)


def has(store: Store, tested: bool) -> bool:
    return any(record.untested != tested for record in store.records())


@pytest.mark.slow
def test_a_tuned_study_that_is_killed_ends_as_one_that_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = write_study(tmp_path, epochs=2)
    study.write_text(study.read_text() + TUNE.replace("n_trials = 4", "n_trials = 2"))
    whole, cut = Store(tmp_path / "whole"), Store(tmp_path / "cut")
    calm = start(*run_arguments(study, whole.root, 1), output=tmp_path / "calm.txt")
    assert exit_code(calm) == 0
    for tested in (False, True):  # while recipes are tried, and while they are compared
        process = start(*run_arguments(study, cut.root, 1), output=tmp_path / "out.txt")
        assert wait_until(partial(has, cut, tested))
        assert process.pid
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    assert exit_code(start(*run_arguments(study, cut.root, 1), output=tmp_path / "out.txt")) == 0
    ends = [
        {run.digest: (run.untested, run.val, run.test) for run in store.records()}
        for store in (whole, cut)
    ]
    assert ends[0] == ends[1]
    assert sorted(tested is None for _, _, tested in ends[0].values()) == [False] * 4 + [True] * 4
    capsys.readouterr()
    assert main(["study", "status", "--runs", str(cut.root)]) == 0
    status = capsys.readouterr().out
    assert "8 done of 8 runs" in status
    assert "baseline: tuned to lr=" in status
    assert main(["report", "--runs", str(cut.root)]) == 0
    compared, _, tried = capsys.readouterr().out.partition("untested")
    assert "tuned for each variant" in compared
    assert "The test set has not been read" in tried
    assert compared.count("Test top-1") == 1  # and not a table for each recipe
