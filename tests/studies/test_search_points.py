"""Points of one's own, which a search tries before it samples any."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuseablate.errors import InputError
from tests.helpers.searches import BEST, KERNELS, WIDTH, kernels, search, study_plan, untied

# The table has kernels of 3 and 5 in rows 2 and 3, and 16 channels inside row 3.
BOTH = KERNELS + WIDTH
POINTS = 'points_to_evaluate = [{}, { "kernel.3" = 7, width = 9 }]'


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random", "grid"])
def test_points_are_tried_first_and_the_baseline_keeps_what_they_do_not_name(
    tmp_path: Path, sampler: str
) -> None:
    table = f'sampler = "{sampler}"\nn_trials = 14\n{POINTS}\n{BEST}'
    ended = search(study_plan(tmp_path, table, BOTH), tmp_path, untied)
    assert ended.params[:2] == [
        {"kernel.2": 3, "kernel.3": 5, "width": 16},
        {"kernel.2": 3, "kernel.3": 7, "width": 9},
    ]
    trials = ended.trials.all()
    assert [trial.user_attrs["edits"] for trial in trials[:2]] == ["", "3.kernel=7 3.exp=9"]
    assert len({tuple(params.items()) for params in ended.params}) == len(trials) == 14
    assert all(kernels(run.variant.spec) for run in ended.runs)
    assert [trial.point for trial in ended.searched.trials] == [True] * 2 + [False] * 12
    lines = {(line.variant, line.seed): line.digest for line in ended.status.lines}
    for trial in ended.searched.trials:
        asked = {seed: lines[f"trial {trial.number}", seed] for seed in (0, 1)}
        assert trial.runs == asked


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_a_search_with_points_goes_on_as_it_would_have(tmp_path: Path, sampler: str) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    table = f'sampler = "{sampler}"\nn_trials = 14\n{POINTS}\n{BEST}'
    plan = study_plan(tmp_path, table, BOTH)
    whole = search(plan, tmp_path / "whole", untied)
    for stop in (1, 2, 5):
        with pytest.raises(KeyboardInterrupt):
            search(plan, tmp_path / "parts", untied, stop_after=stop)
    ended = search(plan, tmp_path / "parts", untied)
    assert ended.params == whole.params
    assert [run.digest for run in ended.runs] == [run.digest for run in whole.runs]


def test_a_point_that_is_added_later_is_tried_next_and_one_that_was_tried_is_not(
    tmp_path: Path,
) -> None:
    few = study_plan(tmp_path, f'sampler = "random"\nn_trials = 3\n{BEST}', BOTH)
    first = search(few, tmp_path, untied).params
    known = ", ".join(f'"{name}" = {value}' for name, value in first[1].items())
    point = '{ "kernel.2" = 7, "kernel.3" = 7, width = 64 }'
    table = f'sampler = "random"\nn_trials = 5\npoints_to_evaluate = [{{ {known} }}, {point}]'
    more = study_plan(tmp_path, f"{table}\n{BEST}", BOTH)
    assert more.digest == few.digest
    ended = search(more, tmp_path, untied)
    assert ended.params[:3] == first
    assert ended.params[3] == {"kernel.2": 7, "kernel.3": 7, "width": 64}
    assert len(ended.params) == 5


def test_points_teach_the_sampler(tmp_path: Path) -> None:
    """TPE's draws behind its first ten depend on what the points reached."""
    drawn = []
    for name, points in (("without", ""), ("with", "points_to_evaluate = [{ width = 64 }]")):
        (tmp_path / name).mkdir()
        plan = study_plan(tmp_path / name, f"n_trials = 14\n{points}\n{BEST}", BOTH)
        drawn.append(search(plan, tmp_path / name, untied).params)
    assert drawn[1][0]["width"] == 64
    assert drawn[0][11:] != drawn[1][11:]


def test_random_trials_for_comparison_start_from_no_point(tmp_path: Path) -> None:
    table = f"n_trials = 3\ncompare_random = true\n{POINTS}\n{BEST}"
    ended = search(study_plan(tmp_path, table, BOTH), tmp_path, untied)
    random = [trial.params for trial in ended.trials_of("-random").all()]
    assert {"kernel.2": 3, "kernel.3": 5, "width": 16} not in random


CHILD = """
[[search.parameters]]
name = "residual"
kind = "categorical"
when = { "kernel.3" = 7 }
choices = [true, false]
edit = "3.residual={}"
[[search.parameters]]
name = "nl"
kind = "categorical"
choices = ["elu", "mish"]
edit = "fuse.nl={}"
"""


@pytest.mark.parametrize(
    ("point", "said"),
    [
        ('{ nl = "elu", kernle = 3 }', "unknown parameter 'kernle'"),
        ('{ nl = "elu", "kernel.3" = 4 }', "unknown value of 'kernel.3' '4'"),
        ('{ nl = "elu", width = 65 }', "parameter 'width': 65 is not from 8 to 64"),
        ('{ nl = "elu", width = 8.5 }', "parameter 'width': 8.5 is not from 8 to 64"),
        ('{ nl = "elu", residual = true }', "parameter 'residual': there only when kernel.3 = 7"),
        ("{ width = 9 }", "parameter 'nl': the assignment has no value"),
        ('{ nl = "elu", width = 64 }', "MACs, and the budget is "),
    ],
)
def test_a_point_that_cannot_be_tried_is_refused_before_anything_starts(
    tmp_path: Path, point: str, said: str
) -> None:
    table = (
        f'n_trials = 4\nbudget = {{ macs = "baseline" }}\npoints_to_evaluate = [{point}]\n{BEST}'
    )
    with pytest.raises(InputError) as caught:
        study_plan(tmp_path, table, BOTH + CHILD)
    assert "search.points_to_evaluate[0]: " in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_point_lies_on_the_steps_of_its_range(tmp_path: Path) -> None:
    stepped = WIDTH.replace("high = 64", "high = 64\nstep = 8")
    for value, fits in ((24, True), (25, False)):
        table = f"n_trials = 4\npoints_to_evaluate = [{{ width = {value} }}]\n{BEST}"
        if fits:
            assert search(study_plan(tmp_path, table, stepped), tmp_path, untied).params[0] == {
                "width": 24
            }
        else:
            with pytest.raises(InputError, match="unknown value of 'width' '25'"):
                study_plan(tmp_path, table, stepped)


def test_a_whole_number_is_a_point_of_a_range_of_floats(tmp_path: Path) -> None:
    """Optuna's storage gives it back as a float, and the report says the same of both starts."""
    rate = '[[search.parameters]]\nname = "rate"\nkind = "float"\nrecipe = "lr"\n'
    table = f'sampler = "random"\nn_trials = 2\npoints_to_evaluate = [{{ rate = 1 }}]\n{BEST}'
    plan = study_plan(tmp_path, table, f"{rate}low = 0.5\nhigh = 2.0\n")
    first, again = (search(plan, tmp_path).outcome.manifest for _ in range(2))
    assert first == again
    assert first.search
    assert first.search.trials[0].recipe == "lr=1.0"
