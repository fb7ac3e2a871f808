"""A cost of one's own, wherever costs are named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fuseablate import ReportOptions, explore, load_result, measure, rescaled
from fuseablate.cost.kinds import CostKind
from fuseablate.plugins import register
from fuseablate.plugins.registry import remove
from tests.helpers.searches import kernels, search, study_plan
from tests.helpers.study_file import expanded, factor, loaded

NAME = "halves"
WIDE = 'design = "one-factor"\niso = "ISO"\n' + factor("exp", "x2: fuse.exp=x2")


@pytest.fixture(autouse=True)
def _halves() -> Iterator[None]:
    """Two for each learned number."""
    cost = CostKind(
        name=NAME,
        title="Halves",
        unit="halves",
        source="",
        count=lambda part, _: 2 * part.cost.params,
    )
    register("costs", NAME, cost)
    yield
    remove("costs", NAME)


def test_a_search_is_within_its_budget(tmp_path: Path) -> None:
    """A fuse row of 16 channels has 32 weights for each step of its kernel: k of both filters."""
    words = (
        f'sampler = "grid"\nobjectives = ["accuracy", "{NAME}"]\n'
        f'budget = {{ {NAME} = "baseline" }}\nfinalists = {{ seeds = [9] }}'
    )
    plan = study_plan(tmp_path, words)
    base = plan.design.reference.spec
    assert kernels(base) == [3, 5]
    ended = search(plan, tmp_path)
    spent = 2 * measure(base).params
    trained = {
        (trial.params["kernel.2"], trial.params["kernel.3"]): trial.values[1]
        for trial in ended.trials.all()
        if trial.values
    }
    # Of the nine pairs of 3, 5 and 7, those whose sum is at most 8.
    assert trained == {(3, 3): spent - 128, (3, 5): spent, (5, 3): spent}
    result = load_result("mine", ended.store, ReportOptions(columns=(NAME, "score")))
    by_name = {row["variant"]: row[NAME] for row in result.to_dict()["comparisons"][0]["variants"]}
    assert by_name["baseline"] == spent
    explored = explore(base, plan.study, budget={NAME: spent - 1})
    assert explored.census.within == 1


def test_equal_cost_is_that_of_what_it_is_twice(tmp_path: Path) -> None:
    designs = [expanded(tmp_path, WIDE.replace("ISO", iso)) for iso in ("params", NAME)]
    by_params, by_halves = ([variant.spec for variant in design.variants] for design in designs)
    assert by_halves == by_params
    assert len(by_params) == 3  # the baseline, twice as wide within, and that rescaled
    assert designs[1].variants[2].names == ("exp=x2 (iso halves)",)
    base, wide, _ = by_params
    assert rescaled(wide, NAME, base) == rescaled(wide, "params", base)
    assert loaded(tmp_path, WIDE.replace("ISO", NAME)).iso == NAME
