"""Samples that a search may not train: over the budget, impossible, or tried already."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from fuseablate.cost.costs import measure
from fuseablate.errors import InputError
from fuseablate.spec.spec import Spec
from tests.helpers.searches import BEST, HEAD_3, KERNELS, WIDTH, search, study_plan, untied


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_what_refused_samples_taught_is_known_after_a_kill(tmp_path: Path, sampler: str) -> None:
    table = f'sampler = "{sampler}"\nn_trials = 26\nbudget = {{ macs = "57k" }}\n{BEST}'
    head = HEAD_3.replace("seeds = [0, 1]", "seeds = [0]")
    plan = study_plan(tmp_path, table, KERNELS + WIDTH, head)
    whole = search(plan, tmp_path / "whole", untied)
    taught = [trial.system_attrs.get("taught") for trial in whole.trials.all()]
    assert any(taught[10:17]) == any(taught[17:]) == (sampler == "tpe")
    for stop in (13, 4):
        with pytest.raises(KeyboardInterrupt):
            search(plan, tmp_path / "parts", untied, stop_after=stop)
    ended = search(plan, tmp_path / "parts", untied)
    assert ended.params == whole.params
    assert [trial.system_attrs.get("taught") for trial in ended.trials.all()] == taught


def test_the_budget_is_checked_before_training(tmp_path: Path) -> None:
    """By hand: row 3's pair has 16 x (3 + 5 + 7) weights at most; the limit is the baseline."""
    plan = study_plan(
        tmp_path, f'sampler = "random"\nn_trials = 20\nbudget = {{ macs = "baseline" }}\n{BEST}'
    )
    ended = search(plan, tmp_path)
    base = measure(plan.design.reference.spec, (16, 16)).macs
    costs = {
        job.key: measure(Spec.from_dict(job.spec), (16, 16)).macs for job in ended.engine.trained
    }
    assert max(costs.values()) <= base
    # Each kernel costs by its size times the maps' area, the same for rows 2 and 3: those that
    # are affordable have a sum of at most the baseline's 3 + 5.
    tried = sorted((params["kernel.2"], params["kernel.3"]) for params in ended.params)
    assert tried == [(3, 3), (3, 5), (5, 3)]
    refused = sum(trial.user_attrs.get("over budget", 0) for trial in ended.trials.all())
    assert refused > 0
    assert f"{refused} over budget" in ended.printed()
    # The baseline is a finalist too, and trained once.
    assert [run.variant.names[0] for run in ended.runs].count("baseline") == 1
    assert len({run.digest for run in ended.runs}) == len(ended.runs)


def test_nothing_affordable_is_an_error_that_says_what_the_space_holds(tmp_path: Path) -> None:
    plan = study_plan(tmp_path, f'n_trials = 5\nbudget = {{ macs = "1k" }}\n{BEST}')
    said = r"^the space of 9 assignments is exhausted: .*"
    with pytest.raises(InputError, match=said + r" from .*k to .*k MACs \(budget: 1\.00k\)"):
        search(plan, tmp_path)
    grid = study_plan(tmp_path, f'sampler = "grid"\nbudget = {{ params = 100 }}\n{BEST}')
    with pytest.raises(InputError, match=r"9 assignments is exhausted.* params"):
        search(grid, tmp_path)


def test_a_space_that_cannot_be_listed_ends_after_so_many_draws(tmp_path: Path) -> None:
    wide = KERNELS + WIDTH.replace('kind = "int"', 'kind = "float"').replace("exp={}", "exp=x{}")
    wide = wide.replace("low = 8", "low = 0.5").replace("high = 64", "high = 2.0")
    plan = study_plan(tmp_path, f'n_trials = 5\nbudget = {{ macs = "1k" }}\n{BEST}', wide)
    said = r"none of 10,050 samples in a row could be trained \(10,050 over budget\), 10,000 of "
    with pytest.raises(InputError, match=said + r".* to .*k MACs \(budget: 1\.00k\)"):
        search(plan, tmp_path)


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_a_rare_affordable_part_of_a_finite_space_is_found_whole(
    tmp_path: Path, sampler: str
) -> None:
    """Of 9 x 57 assignments a few are affordable: small kernels with widths up to 13."""
    base = study_plan(tmp_path, f"n_trials = 1\n{BEST}").design.reference.spec

    def macs(first: int, second: int, width: int) -> int:
        edits = [f"2.kernel={first}", f"3.kernel={second}", f"3.exp={width}"]
        return measure(base.edit_sampled(*edits), (16, 16)).macs

    most = macs(3, 3, 13)
    plan = study_plan(
        tmp_path,
        f'sampler = "{sampler}"\nn_trials = 40\nbudget = {{ macs = {most} }}\n{BEST}',
        KERNELS + WIDTH,
    )
    ended = search(plan, tmp_path, untied)
    every = product((3, 5, 7), (3, 5, 7), range(8, 65))
    tried = [(params["kernel.2"], params["kernel.3"], params["width"]) for params in ended.params]
    assert sorted(tried) == [params for params in every if macs(*params) <= most]
    assert any("513 assignments is exhausted" in note for note in ended.status.notes)


def test_refused_samples_teach_tpe_and_leave_no_trial(tmp_path: Path) -> None:
    """Where the budget allows widths up to 13 of 8 to 1000, few samples are lost to learn it."""
    base = study_plan(tmp_path, f"n_trials = 1\n{BEST}").design.reference.spec
    most = measure(base.edit("fuse.kernel=7", "3.exp=200"), (16, 16)).macs
    wide = KERNELS + WIDTH.replace("64", "1000")
    table = f'sampler = "tpe"\nn_trials = 40\nbudget = {{ macs = {most} }}\n{BEST}'
    ended = search(study_plan(tmp_path, table, wide), tmp_path, untied)
    trials = ended.trials.all()
    assert len(trials) == len(ended.trials.study.trials) == 40
    assert all("constraints:refused" not in trial.system_attrs for trial in trials)
    over = [trial.user_attrs.get("over budget", 0) for trial in trials]
    taught = [len(trial.system_attrs.get("taught", ())) for trial in trials]
    assert taught[:10] == [0] * 10  # TPE draws its first ten at random
    assert taught[10:] == over[10:]
    # A fifth of the space is affordable: four of five random draws are lost.
    assert sum(over[:10]) > 2 * 10
    assert sum(over[10:]) < 2 * 30


def test_assignments_of_one_network_are_one_trial(tmp_path: Path) -> None:
    """A squeeze ratio means nothing where another parameter has put SE off."""
    both = """
[[search.parameters]]
name = "se"
kind = "categorical"
choices = { on = [], off = ["2.se=false"] }
[[search.parameters]]
name = "kernel"
kind = "categorical"
choices = { a = [], b = ["3.kernel=7"], c = ["3.kernel=7", "2.kernel=3"] }
"""
    ended = search(study_plan(tmp_path, f'sampler = "grid"\n{BEST}', both), tmp_path)
    assert len(ended.trials) == 4  # b and c are one network
    assert sum(trial.user_attrs.get("repeated", 0) for trial in ended.trials.all()) in (0, 1, 2)
    assert len({trial.user_attrs["network"] for trial in ended.trials.all()}) == 4


def test_a_network_that_the_recipe_cannot_train_is_drawn_again(tmp_path: Path) -> None:
    """A Ghost module has nothing that the penalty could keep orthonormal."""
    op = """
[[search.parameters]]
name = "op"
kind = "categorical"
choices = { fuse = [], ghost = ["fuse.op=ghost", "fuse.kernel=1"] }
"""
    penalised = '"standard", epochs = 3, orthonormal = 0.1'
    head = HEAD_3.replace('"standard", epochs = 3', penalised)
    plan = study_plan(tmp_path, f"n_trials = 6\n{BEST}", op + WIDTH, head)
    ended = search(plan, tmp_path)
    assert {params["op"] for params in ended.params} == {"fuse"}
    assert sum(trial.user_attrs.get("impossible", 0) for trial in ended.trials.all()) > 0
    with pytest.raises(InputError, match=r"points_to_evaluate\[0\]: recipe .*: orthonormal = 0.1"):
        study_plan(
            tmp_path,
            f'n_trials = 6\npoints_to_evaluate = [{{ op = "ghost" }}]\n{BEST}',
            op + WIDTH,
            head,
        )
