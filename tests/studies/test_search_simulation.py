"""The short form of reports/statistics/search: searches under a budget that binds."""

from __future__ import annotations

import csv
import importlib.util
import statistics
import sys
from itertools import product
from types import ModuleType

import pytest

from tests.helpers.paths import REPORTS

FOLDER = REPORTS / "statistics" / "search"


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    made = importlib.util.spec_from_file_location("simulate", FOLDER / "simulate.py")
    assert made
    assert made.loader
    module = importlib.util.module_from_spec(made)
    sys.modules["simulate"] = module  # dataclasses look there
    made.loader.exec_module(module)
    return module


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_a_search_under_a_budget_comes_to_its_end(simulation: ModuleType, sampler: str) -> None:
    """TPE that refused samples did not teach ended this one after 27 trials."""
    scores = simulation.searched(sampler, ("accuracy",), 0, 40)
    assert scores.trials == 40
    assert scores.refused < 40 * 5  # random draws lose six for each trial


def test_the_committed_results_say_what_the_page_says(simulation: ModuleType) -> None:
    with (FOLDER / "results.csv").open() as file:
        results = [
            simulation.Result(
                row["objectives"], row["sampler"], int(row["seed"]), int(row["trials"]),
                int(row["refused"]), float(row["score"]),
            )
            for row in csv.DictReader(file)
        ]  # fmt: skip
    assert len(results) == 2 * 3 * 20
    assert all(result.trials == 60 for result in results)
    page = (FOLDER / "README.md").read_text()
    assert "\n".join(simulation.table(results)) in page
    scores = {(result.objectives, result.sampler, result.seed): result.score for result in results}
    for objectives, sampler in product(("accuracy", "accuracy+macs"), ("tpe", "nsga2")):
        gains = [
            scores[objectives, sampler, seed] - scores[objectives, "random", seed]
            for seed in range(20)
        ]
        # No worse than random: the 95 % interval by t (19 degrees of freedom) does not lie below 0.
        reach = 2.093 * statistics.stdev(gains) / 20**0.5
        assert statistics.fmean(gains) + reach > 0
        assert sampler != "tpe" or statistics.fmean(gains) - reach > 0
