"""The curve of a search's best, and a random search's beside it, in every form of the report."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import statistics
from itertools import permutations, product
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from fuseablate.report import analyse
from fuseablate.report.screen import print_report
from fuseablate.report.search_progress import (
    best_so_far,
    expected_best,
    hypervolumes,
    shown_counts,
)
from fuseablate.runs.manifest import Searched, Trial
from tests.helpers.comparisons import BASE, comparison, planned, written


def trials(*scores: float | str) -> tuple[Trial, ...]:
    """A trial for each score; a text is the state of one that has none."""
    return tuple(
        Trial(
            number=number,
            state=score if isinstance(score, str) else "complete",
            seeds=1,
            top1=None if isinstance(score, str) else score,
            params=1,
            macs=1,
            latency=None,
            edits="",
            finalist=False,
        )
        for number, score in enumerate(scores)
    )


def searched(
    mine: tuple[Trial, ...], random: tuple[Trial, ...] = (), sampler: str = "tpe"
) -> Searched:
    return Searched(
        sampler=sampler, objectives=("accuracy",), seeds=1, trials=mine, random=random,
        refused={"over budget": 0, "impossible": 0, "repeated": 0}, importance={},
    )  # fmt: skip


@pytest.mark.parametrize("scores", [[3.0], [3.0, 1.0], [3.0, 1.0, 2.0, 2.0], [5.5, 1, 9, 2, 7, 7]])
def test_the_expectation_is_the_mean_over_all_orders(scores: list[float]) -> None:
    orders = list(permutations(scores))
    for count, expected in enumerate(expected_best(scores), start=1):
        assert expected == pytest.approx(statistics.fmean(max(order[:count]) for order in orders))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=9))
def test_the_hypervolume_is_the_area_that_any_trial_so_far_dominates(
    points: list[tuple[int, int]],
) -> None:
    """Counted square by square: one is dominated by a trial that costs no more and is better."""
    frame = list(product(range(max(cost for cost, _ in points)), range(max(t for _, t in points))))
    areas = [
        sum(any(cost <= x and top1 > y for cost, top1 in points[:count]) for x, y in frame)
        for count in range(1, len(points) + 1)
    ]
    done = [
        dataclasses.replace(trial, costs={"energy": cost})
        for trial, (cost, _) in zip(trials(*[float(t) for _, t in points]), points, strict=True)
    ]
    expected = [area / max(1, len(frame)) for area in areas]
    assert hypervolumes(done, "energy") == pytest.approx(expected)


def test_the_expectation_of_ten_thousand_even_scores() -> None:
    """Of n of 1 .. N drawn without replacement the largest is n (N + 1) / (n + 1) on average."""
    count = 10_000
    curve = expected_best([float(score) for score in range(1, count + 1)])
    for drawn in (1, 2, 10, 100, 5000, count):
        assert curve[drawn - 1] == pytest.approx(drawn * (count + 1) / (drawn + 1), rel=1e-12)


def test_rounding_lets_no_curve_fall_or_pass_the_best() -> None:
    scores = [98.0] * 9 + [37.1 - at / 10 for at in range(21)]
    curve = expected_best(scores)
    assert list(curve) == sorted(curve)
    assert max(curve) == 98.0
    assert set(expected_best([1 / 3] * 7)) == {1 / 3}


def test_trials_without_a_result_count_as_the_lowest() -> None:
    mine = trials("pruned", 30.0, "fail", 20.0, 40.0, "running")
    random = trials(10.0, "pruned")
    assert best_so_far(searched(mine, random)) == {
        "tpe": (10.0, 30.0, 30.0, 30.0, 40.0),
        "random": (10.0, 10.0),
    }
    assert best_so_far(searched(trials("pruned", "fail"))) == {}
    assert best_so_far(searched(trials(10.0, 20.0), sampler="random")) == {"random": (15.0, 20.0)}


def test_the_numbers_of_trials_that_a_table_shows() -> None:
    assert shown_counts({"tpe": [0.0] * 60}) == [1, 2, 5, 10, 20, 50, 60]
    assert shown_counts({"tpe": [0.0] * 7, "random": [0.0] * 10}) == [1, 2, 5, 7, 10]
    assert shown_counts({"tpe": [0.0]}) == [1]


MINE, RANDOM = trials(30.0, 42.0, 41.0, 50.0), trials(44.0, 20.0, 32.0, 36.0)
# By hand: the means of 4, of the larger of 6 pairs, of the largest of 4 triples, the largest.
EXPECTED = [33.0, (3 * 44 + 2 * 36 + 32) / 6, (3 * 44 + 36) / 4, 44.0]
FOUND = comparison("search", planned("baseline", "", BASE, 0.4), search=searched(MINE, RANDOM))
ALONE = comparison("search", planned("baseline", "", BASE, 0.4), search=searched(MINE))


def test_the_terminal_shows_both_to_one_scale() -> None:
    out = Console(width=100, file=io.StringIO(), color_system=None)
    print_report([analyse(FOUND)], out)
    assert isinstance(out.file, io.StringIO)
    text = out.file.getvalue()
    assert "tpe, observed     30.00 ▁▅▅█ 50.00" in text
    assert "random, expected  33.00 ▂▄▅▆ 44.00" in text
    assert "50.00 of 4 trials (tpe), 44.00 of 4 trials (random)" in " ".join(text.split())
    print_report([analyse(ALONE)], out)
    assert "random" not in out.file.getvalue().replace(text, "")


def test_json_holds_the_whole_curves_and_the_random_trials() -> None:
    (read,) = json.loads(written("json", FOUND))
    assert read["search"]["best_so_far"]["tpe"] == [30.0, 42.0, 42.0, 50.0]
    assert read["search"]["best_so_far"]["random"] == pytest.approx(EXPECTED)
    assert [trial["top1"] for trial in read["search"]["random"]] == [44.0, 20.0, 32.0, 36.0]


def test_markdown_has_a_table() -> None:
    text = written("markdown", FOUND)
    table = text[text.index("| Trials |") :]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line[:1] == "|"]
    assert rows[0] == ["Trials", "tpe, observed", "random, expected"]
    assert rows[2:] == [["1", "30.00", "33.00"], ["2", "42.00", "39.33"], ["4", "50.00", "44.00"]]
    assert "none of them is a finalist" in table
    assert "random" not in written("markdown", ALONE)


def test_the_page_draws_the_curves() -> None:
    page = written("html", FOUND)
    drawing = re.search(r'<svg class="plot steps".*?</svg>', page, re.DOTALL)
    assert drawing
    svg = ElementTree.fromstring(drawing[0])
    paths, lines = svg.findall("./g/path"), svg.findall("./line")
    assert len(paths) == 2
    assert all(path.attrib["d"].count("V") == 3 for path in paths)
    # The best of all lies at the top of the axes, the lowest at their foot.
    heights = sorted(float(line.attrib["y1"]) for line in lines)
    left, right = lines[0].attrib["x1"], lines[0].attrib["x2"]
    assert paths[0].attrib["d"].startswith(f"M{float(left):.1f},{heights[-1]:.1f}")
    assert paths[0].attrib["d"].endswith(f"H{float(right):.1f}V{heights[0]:.1f}")
    assert "<td>39.33</td>" in page
