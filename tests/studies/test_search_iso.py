"""Searches at equal cost: each sample is trained in the width that the baseline's cost allows."""

from __future__ import annotations

from pathlib import Path

import pytest
from optuna.trial import FrozenTrial

from fuseablate.commands.program import main
from fuseablate.cost import measure
from fuseablate.errors import InputError
from fuseablate.runs import Manifest
from fuseablate.spec import Spec
from tests.helpers.searches import BEST, HEAD_3, Ended, search, study_plan
from tests.helpers.study_file import written

HEAD = f'iso = "macs"\n{HEAD_3}'
SPACE = """
[[search.parameters]]
name = "kernel"
kind = "categorical"
choices = [3, 7]
edit = "2.kernel={}"
[[search.parameters]]
name = "divisor"
kind = "categorical"
choices = [2, 1]
edit = "divisor={}"
[[search.parameters]]
name = "se"
kind = "categorical"
choices = [true, false]
edit = "fuse.se={}"
"""
MACS, PARAMS = 47_168, 2_728  # the small table's, by hand in tests/commands/test_explore.py
BUDGET = 'budget = { macs = "baseline" }'


def by_macs(spec: Spec, seed: int) -> list[float]:
    """No two networks score alike, and larger ones score better."""
    cost = measure(spec, (16, 16))
    return [cost.macs / 1e6 + cost.params / 1e9 + seed / 1e12] * 3


def ran(folder: Path, table: str, space: str = SPACE, stop_after: int | None = None) -> Ended:
    plan = study_plan(folder, f"{table}\n{BEST}", space, HEAD)
    return search(plan, folder, by_macs, stop_after=stop_after)


def every_width(ended: Ended, trial: FrozenTrial) -> list[int]:
    """The MACs of a trial's network at each width from x0.75 to x1.25."""
    edits = trial.user_attrs["edits"].split()
    sampled = [edit for edit in edits if not edit.startswith("scale.")]
    spec = ended.plan.design.reference.spec
    texts = [f"scale.width=x{factor / 500}" for factor in range(375, 626) if factor != 500]
    return [measure(spec.edit_sampled(*sampled, text), (16, 16)).macs for text in texts]


def test_each_trial_is_as_wide_as_the_budget_allows(tmp_path: Path) -> None:
    ended = ran(tmp_path, f'sampler = "grid"\n{BUDGET}')
    trials = ended.trials.all()
    assert len(trials) + ended.searched.refused["repeated"] == 2 * 2 * 2
    for trial in trials:
        widest = max(macs for macs in every_width(ended, trial) if macs <= MACS)
        assert trial.user_attrs["macs"] == widest, trial.user_attrs["edits"]
    # Without SE there is room for less than a channel more: the divisor, too, changes nothing.
    assert [edits for trial in trials if "scale" not in (edits := trial.user_attrs["edits"])] == [
        "fuse.se=false"
    ]
    assert not ended.searched.refused["over budget"]


def test_without_a_budget_the_nearest_width_may_cost_more(tmp_path: Path) -> None:
    ended = ran(tmp_path, 'sampler = "grid"')
    (note,) = Manifest.load(ended.plan.folder(ended.store)).notes  # which a report repeats
    assert note == f"Each sample is trained in the width that comes nearest to {MACS:,} MACs."
    for trial in (trials := ended.trials.all()):
        nearest = min(abs(macs - MACS) for macs in every_width(ended, trial))
        assert abs(trial.user_attrs["macs"] - MACS) <= nearest, trial.user_attrs["edits"]
    assert max(trial.user_attrs["macs"] for trial in trials) > MACS


def test_another_limit_narrows_further_or_refuses(tmp_path: Path) -> None:
    free = ran(tmp_path, f'sampler = "grid"\n{BUDGET}')
    assert any(trial.user_attrs["params"] > PARAMS for trial in free.trials.all())
    (tmp_path / "both").mkdir()
    ended = ran(
        tmp_path / "both", f'sampler = "grid"\nbudget = {{ macs = "baseline", params = {PARAMS} }}'
    )
    for trial in ended.trials.all():
        assert trial.user_attrs["params"] <= PARAMS
        assert trial.user_attrs["macs"] <= MACS


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_it_goes_on_as_it_would_have(tmp_path: Path, sampler: str) -> None:
    table = f'sampler = "{sampler}"\nn_trials = 7\n{BUDGET}\npoints_to_evaluate = [{{ se = true }}]'
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole = ran(tmp_path / "whole", table)
    for stop in (1, 4):
        with pytest.raises(KeyboardInterrupt):
            ran(tmp_path / "parts", table, stop_after=stop)
    ended = ran(tmp_path / "parts", table)
    assert ended.params == whole.params
    assert [run.digest for run in ended.runs] == [run.digest for run in whole.runs]


WIDTH = """
[[search.parameters]]
name = "width"
kind = "categorical"
[search.parameters.choices]
as-is = []
half = ["2.kernel=5", "scale.width=x0.5"]
"""


@pytest.mark.parametrize(
    ("table", "space", "said"),
    [
        (
            "n_trials = 3",
            WIDTH,
            "parameter 'width': edit 'scale.width=x0.5': the width is solved for equal MACs; "
            "leave the edit out",
        ),
        (
            'n_trials = 3\nobjectives = ["accuracy", "macs"]',
            SPACE,
            'search.objectives: "macs" is what iso makes equal in all; leave out either',
        ),
        ("n_trials = 3", SPACE, 'raw: design = "search" takes none; leave it out'),
    ],
)
def test_what_equal_cost_leaves_no_sense_is_refused(
    tmp_path: Path, table: str, space: str, said: str
) -> None:
    finalists = "finalists = { seeds = [9] }" if "objectives" in table else BEST
    head = HEAD + ("raw = true\n" if said.startswith("raw") else "")
    with pytest.raises(InputError) as caught:
        study_plan(tmp_path, f"{table}\n{finalists}", space, head)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_plan_and_an_exploration_say_what_is_solved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = f'design = "search"\n[search]\nn_trials = 4\n{BUDGET}\n{BEST}\n{SPACE}'
    path = str(written(tmp_path, body, head=HEAD))
    assert main(["study", "run", path, "--runs", str(tmp_path / "runs"), "--dry-run"]) == 0
    assert (
        "Of 1,000 samples 100.0% give a network. Each sample is trained in the width that comes "
        "nearest to 47,168 MACs.\n"
    ) in capsys.readouterr().out
    assert main(["explore", str(tmp_path / "small.toml"), "--space", path]) == 0
    out = capsys.readouterr().out
    assert 'As sampled: iso = "macs" rescales them before they are trained\n' in out
