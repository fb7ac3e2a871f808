"""The committed simulations keep what the page beside them, and every report, promises."""

from __future__ import annotations

import csv

import pytest

from tests.helpers.paths import REPORTS

STATISTICS = REPORTS / "statistics"
ALIKE = {
    "equal spreads", "seed effects of sd 2", "one seed missing", "seed effects, one seed missing",
    "reference with twice the seeds", "reference with five times the seeds",
    "whole images, sd of 1.5",
}  # fmt: skip
MOST = 0.055


def rows(name: str) -> list[dict[str, str]]:
    with (STATISTICS / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_no_cell_of_the_grid_errs_more_often_than_promised() -> None:
    grid = rows("error_and_power.csv")
    # 13 scenarios, 4 numbers of seeds (3 where one is missing) and 4 of variants.
    assert len(grid) == 10 * 16 + 3 * 12
    for row in grid:
        assert float(row["robust_error"]) <= MOST, row
        if row["scenario"] in ALIKE:
            assert float(row["alike_error"]) <= MOST, row
            assert float(row["verdict_error"]) <= MOST, row


def test_no_cell_of_the_looks_errs_more_often_than_promised() -> None:
    grid = rows("looks.csv")
    assert len(grid) == 18
    for row in grid:
        assert float(row["robust_error"]) <= MOST, row
        if row["scenario"] == "equal spreads":
            assert float(row["error"]) <= MOST, row
            assert float(row["unplanned"]) > 0.08, row


@pytest.mark.parametrize(("seeds", "variants"), [("3", "10"), ("5", "4"), ("5", "20")])
def test_the_robust_intervals_see_more_than_the_paired_t(seeds: str, variants: str) -> None:
    (row,) = (
        row
        for row in rows("error_and_power.csv")
        if (row["scenario"], row["seeds"], row["variants"]) == ("equal spreads", seeds, variants)
    )
    assert float(row["robust_power"]) > 1.3 * float(row["bonferroni_power"])
