"""A variant of which a run diverged gets no verdict, and says so wherever it is spoken of."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re

import pytest

from fuseablate.report import analyse
from fuseablate.report.files import WRITERS
from fuseablate.runs.manifest import PlannedVariant
from fuseablate.runs.record import Failure, Record
from tests.helpers.comparisons import BASE, LEAN, comparison, planned, shown, written

FAILURE = Failure(step=7, epoch=1, lr=0.1, loss="nan", part="training")


def some_diverged(
    name: str, edits: str, cost: tuple[int, int], *tops: float | None, **more: object
) -> tuple[PlannedVariant, list[Record]]:
    """As `planned`; a run of None ended without a finite loss."""
    variant, runs = planned(name, edits, cost, *(0.1 if top1 is None else top1 for top1 in tops),
                            **more)  # fmt: skip
    return variant, [
        dataclasses.replace(run, status="failed", val=None, test=None, failure=FAILURE)
        if top1 is None
        else run
        for run, top1 in zip(runs, tops, strict=True)
    ]


REFERENCE = some_diverged("baseline", "", BASE, 0.400, 0.410, 0.405, 0.402, 0.408)
# The three that went well are far better, and alike; two of five diverged.
WILD = some_diverged("nl=wild", "all.nl=relu", (LEAN[0], 9), 0.50, None, 0.51, None, 0.52)
OFF = some_diverged("se=off", "all.se=false", LEAN, 0.350, 0.362, 0.355, 0.352, 0.357)
FOUND = comparison("one-factor", REFERENCE, WILD, OFF)
WITHOUT = comparison("one-factor", REFERENCE, OFF)
SAID = "2 of 5 runs diverged"


def test_it_takes_no_part_in_what_the_others_are_judged_by() -> None:
    (section,), (alone,) = analyse(FOUND).sections, analyse(WITHOUT).sections
    assert section.statistics == alone.statistics
    _, wild, off = section.variants
    assert (wild.delta, wild.why, off.why) == (None, SAID, "")


@pytest.mark.parametrize("form", [*WRITERS, "table", "plot"])
def test_it_is_said_in_every_form(form: str) -> None:
    assert SAID in written(form, FOUND)
    assert "runs diverged" not in written(form, WITHOUT)


def test_row_and_sentence() -> None:
    text = shown(FOUND, 140)
    (row,) = (line for line in text.splitlines() if line.startswith("nl=wild  "))
    assert "! no verdict: 2 of 5 runs diverged" in row
    assert "3 of 5" in row
    assert "better" not in row
    assert "nl=wild: no verdict, 2 of 5 runs diverged." in " ".join(text.split())
    assert "nl=wild, seed 1: failed at step 7" in text
    narrow = shown(FOUND, 80)
    assert "! 2 of 5 diverged" in narrow
    (_, row_of_csv, _) = csv.DictReader(io.StringIO(written("csv", FOUND)))
    assert (row_of_csv["verdict"], row_of_csv["why"]) == ("no verdict", SAID)
    assert (row_of_csv["delta"], row_of_csv["low"], row_of_csv["p"]) == ("", "", "")
    (table,) = json.loads(written("json", FOUND))
    assert table["variants"][1]["why"] == SAID
    assert "nl=wild: no verdict" in table["conclusion"]


def test_it_stands_on_no_front() -> None:
    """It is the cheapest, and its runs that went well score best."""
    (legend,) = (line for line in shown(FOUND, 140).splitlines() if "Capitals" in line)
    assert "b nl=wild (2 of 5 runs diverged), C se=off" in legend


def test_it_is_not_the_best_of_a_latex_table() -> None:
    """Of 40.5 and 35.52; the three of its runs that went well reach 51."""
    (bold,) = re.findall(r"\\textbf{(.*?)}", written("latex", FOUND))
    assert bold.startswith("40.50 ")


@pytest.mark.parametrize("form", [*WRITERS, "table"])
def test_a_reference_that_diverged_judges_nothing(form: str) -> None:
    base = some_diverged("baseline", "", BASE, 0.400, None, 0.405, 0.402, 0.408)
    compared = comparison("one-factor", base, OFF)
    text = written(form, compared)
    assert ("4 of 5" if form == "latex" else "1 of 5 runs diverged") in text
    for verdict in ("better", "worse", "unclear"):
        assert (
            verdict not in text.partition("<script")[0].partition("</style>")[2 * (form == "html")]
        )
    if form == "csv":
        _, row = csv.DictReader(io.StringIO(text))
        assert row["verdict"] == "no verdict"
        assert row["why"] == "1 of 5 runs of the reference diverged"
    elif form != "html":
        assert "No verdict: 1 of 5 runs of the reference diverged." in text


def test_where_every_variant_diverged() -> None:
    text = shown(comparison("one-factor", REFERENCE, WILD), 140)
    assert "No verdict: every variant but the reference has a run that diverged." in text
    lone = some_diverged("nl=wild", "all.nl=relu", LEAN, None)
    assert "! no verdict: 1 of 1 run diverged" in shown(
        comparison("one-factor", REFERENCE, lone), 140
    )


def test_no_effects_where_a_cell_diverged() -> None:
    cells = [
        some_diverged(f"cell {at}", edits, BASE, *tops, levels=(level,))
        for at, (edits, level, tops) in enumerate([
            ("", {"se": "baseline"}, (0.40, 0.41, None)),
            ("all.se=false", {"se": "off"}, (0.35, 0.36, None)),
        ])
    ]  # fmt: skip
    # Both lack the same seed: what is left matches, and yet tells nothing.
    text = shown(comparison("factorial", *cells), 140)
    assert "No effects: runs of cell 0, cell 1 diverged." in text
