"""What a report says in words is true of the numbers beside it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

import pytest

from fuseablate import stats
from fuseablate.report import Comparison, ReportOptions, analyse, of_records
from fuseablate.report.analysis import Section
from fuseablate.seeds import Looks, SeedPlan
from tests.helpers.comparisons import (
    BASE,
    LEAN,
    REFERENCE,
    STUDIES,
    comparison,
    planned,
    shown,
    written,
)
from tests.helpers.records import record


def section_of(compared: Comparison, **options: Any) -> Section:
    """Return what is said of the variants as their edits make them."""
    return analyse(compared, ReportOptions(**options)).sections[0]


NEAR = planned("kernel=3", "fuse.kernel=3", (3_270_000, 4_010_000), 0.402, 0.406, 0.409)


@pytest.mark.parametrize(("count", "said"), [(4, ". 1 more differs."), (8, ". 5 more differ.")])
def test_how_many_more_differ(count: int, said: str) -> None:
    far = (
        planned(f"v{at}", f"all.out=x1.{at}", LEAN, 0.10, 0.11 + at / 1000, 0.105)
        for at in range(1, count + 1)
    )
    assert said in section_of(comparison("one-factor", REFERENCE, *far)).conclusion


def test_the_largest_findings_are_named() -> None:
    losses = (0.30, 0.20, 0.35, 0.10, 0.25)
    far = (
        planned(f"v{at}", f"all.out=x1.{at}", LEAN, score, score + 0.001, score + 0.002)
        for at, score in enumerate(losses)
    )
    said = section_of(comparison("one-factor", REFERENCE, *far)).conclusion
    # To the reference of 40.5: 10.4, 20.4, 5.4, 30.4 and 15.4 points.
    assert re.findall(r"loses (\S+) ±", said) == ["30.4", "20.4", "15.4"]
    assert "2 more differ." in said


@pytest.mark.parametrize(
    ("gains", "said"),
    [
        # Three pairs: the interval reaches 4.3027 / sqrt(3) = 2.4841 standard deviations.
        ((0.6, 1.0, 1.4), "gains 1.00 ± 0.99 points"),
        ((0.5, 1.0, 1.5), ""),  # 1.24 of 1.00: unclear
        ((0.7, 1.1, 1.5), "gains 1.1 ± 1.0 points"),
        ((0.04, 0.05, 0.06), "gains 0.05 ± 0.02 points"),
        ((0.054, 0.055, 0.056), "gains 0.055 ± 0.002 points"),
    ],
)
def test_rounding_takes_no_0_into_an_interval_that_leaves_it_out(
    gains: Sequence[float], said: str
) -> None:
    tops = [base + gain / 100 for base, gain in zip((0.4, 0.41, 0.405), gains, strict=True)]
    compared = comparison("one-factor", REFERENCE, planned("on", "all.se=true", BASE, *tops))
    conclusion = section_of(compared, matters=0.01).conclusion
    assert re.findall(r"gains .* points", conclusion) == ([said] if said else [])


def test_the_filter_holds_for_what_is_said() -> None:
    far = planned("se=off", "all.se=false", LEAN, 0.301, 0.302, 0.303)
    compared = comparison("one-factor", REFERENCE, far, NEAR)
    assert "kernel=3" in section_of(compared).conclusion
    assert "kernel=3" not in section_of(compared, filter="se=").conclusion


def test_what_is_near_chance_is_said_to_be() -> None:
    """Of 100 classes one in a hundred is guessed; two hundredths of the rest are 2.98 %."""
    guess = planned("a", "all.out=x0.1", LEAN, 0.011, 0.012, 0.013)
    more = planned("b", "all.out=x0.2", LEAN, 0.031, 0.032, 0.033)
    said = section_of(comparison("one-factor", REFERENCE, guess, more)).conclusion
    assert said.endswith("Near chance (1.0 %): a.")
    assert "Near" not in section_of(comparison("one-factor", REFERENCE, more)).conclusion


def test_five_guesses_are_always_right_about_four_classes() -> None:
    run = record(0, 0.9)
    assert run.test
    few = dataclasses.replace(
        run, spec={**run.spec, "classes": 4}, test=dataclasses.replace(run.test, top5=1.0)
    )
    (section,) = analyse(of_records([few])[0], ReportOptions(metric="test_top5")).sections
    assert section.conclusion == "Near chance (100.0 %): fusenet."


def test_a_verdict_names_what_it_rests_on_in_every_row() -> None:
    # Alike, 3.0 points are seen in noise of 0.6; each by its own variance at 3 seeds, they are not.
    off = planned("se=off", "all.se=false", LEAN, 0.381, 0.396, 0.377)
    compared = comparison("one-factor", REFERENCE, off, NEAR)
    delta = section_of(compared).variants[1].delta
    assert delta
    assert (delta.verdict, delta.holds) == ("worse", "if spreads are alike")
    for form in ("markdown", "latex", "html", "csv", "json"):
        row = written(form, compared).replace("</td>", "\n")
        assert "if spreads are alike" in row
    (row,) = (line for line in written("markdown", compared).splitlines() if "`all.se" in line)
    assert row.endswith("| worse, if spreads are alike |")


def test_what_the_images_add_is_no_noise_of_seeds() -> None:
    compared = comparison("one-factor", REFERENCE, NEAR)
    assert "from seed noise at 3 seeds" in section_of(compared).conclusion
    assert (
        "from the noise of seeds and test images at 3 seeds"
        in section_of(compared, interval="both").conclusion
    )


def test_the_seeds_of_what_is_unclear_are_its_own() -> None:
    missing = planned("se=off", "all.se=false", LEAN, 0.402, 0.411, -1)
    compared = comparison("one-factor", REFERENCE, NEAR, missing, matters=0.1)
    assert "at 2 to 3 seeds: kernel=3, se=off." in section_of(compared).conclusion


def test_a_raised_spread_is_not_called_the_variants_own() -> None:
    # The reference's own spread is near 0; half of the mean variance stands for it, which is said.
    flat = planned("baseline", "", BASE, 0.400, 0.4001, 0.4002)
    wild = [
        planned(f"v{at}", f"all.out=x1.{at}", LEAN, 0.38 + at / 500, 0.40, 0.42) for at in (1, 2)
    ]
    lines = " ".join(section_of(comparison("one-factor", flat, *wild)).method)
    assert "each variant's own variance, none taken below half of their mean" in lines
    assert "of each variant, as it is used: " in lines


def test_differences_that_are_not_those_of_the_means_say_so() -> None:
    scores = {"a": {0: 20.0, 1: 20.5, 2: 20.1}, "b": {0: 24.0, 1: 24.4}}
    analysis = stats.analyse_scores(scores, "a")
    # Of seeds 0 and 1: 4.0 and 3.9; of the means: 24.2 - 20.2.
    assert analysis.deltas[0].mean == pytest.approx(3.95)
    assert "where one side lacks a seed" in analysis.why
    whole = {"a": scores["a"], "b": {**scores["b"], 2: 24.3}}
    assert "lacks a seed" not in stats.analyse_scores(whole, "a").why


def test_a_difference_of_nothing_has_no_minus() -> None:
    base = planned("baseline", "", BASE, 0.200, 0.205, 0.201, 0.202)
    other = planned("se=off", "all.se=false", LEAN, 0.201, 0.204, 0.200, 0.203)
    compared = comparison("one-factor", base, other)
    delta = section_of(compared).variants[1].delta
    assert delta
    assert delta.mean == pytest.approx(0, abs=1e-9)
    for text in (shown(compared, 140), written("markdown", compared)):
        assert "-0.00 [" not in text.replace("\u2212", "-")


@pytest.mark.parametrize(
    ("form", "minus"),
    [("markdown", "\u2212"), ("html", "\u2212"), ("latex", "$-$"), ("table", "-")],
)
def test_a_sentence_writes_negative_numbers_as_its_tables_do(form: str, minus: str) -> None:
    """Five variants, whose MACs and accuracies have a rank correlation with an end below 0."""
    ends = analyse(STUDIES["per_row"]).sections[0].ranks["MACs"]
    assert ends.low is not None
    noted = dataclasses.replace(STUDIES["per_row"], notes=("From -1 to 2-3 of 2026-01-02.",))
    text = written(form, noted)
    assert f"{minus}{-ends.low:.2f}" in text
    assert f"{minus}3.00" in text  # of the table: what row 5 loses
    assert f"From {minus}1 to 2-3 of 2026-01-02." in text  # neither a range nor a date has one


@pytest.mark.parametrize("form", ["csv", "json"])
def test_what_programs_read_has_hyphens_before_negative_numbers(form: str) -> None:
    text = written(form, STUDIES["per_row"])
    assert "-3.0" in text
    assert "\u2212" not in text


def test_one_epoch_is_no_epochs() -> None:
    assert "(2 epochs)" in STUDIES["one_factor"].recipe
    run = record(0, 0.5, recipe={"epochs": 1, "lr": 0.1})
    assert "(1 epoch)" in of_records([run])[0].recipe


def test_planned_looks_are_judged_at_the_look_that_each_variant_ended_at() -> None:
    made = [
        planned("baseline", "", BASE, 0.401, 0.399, 0.403, 0.400, 0.402),
        planned("se=off", "all.se=false", LEAN, 0.402, 0.391, 0.410),
        planned("kernel=3", "fuse.kernel=3", LEAN, 0.431, 0.382, 0.419, 0.440, 0.436),
    ]
    plan = SeedPlan(each=(0, 1, 2), reference=(0, 1, 2), looks=Looks(3, 2, 7))
    # Settled as the same within 20 points, and by 1 point unclear.
    compared = dataclasses.replace(
        comparison("one-factor", *made, seeds=plan, matters=20.0), matters=1.0
    )
    assert "at 3 to 5 seeds: se=off, kernel=3." in section_of(compared).conclusion


def test_the_order_of_deltas_is_that_of_what_is_shown() -> None:
    # Seed 2 is a lucky one: `part` lacks it, gains more than `whole` and has the lower mean.
    base = planned("baseline", "", BASE, 0.300, 0.302, 0.400)
    whole = planned("whole", "all.out=x1.2", LEAN, 0.310, 0.313, 0.411)
    part = planned("part", "all.out=x1.5", LEAN, 0.320, 0.323, -1)
    compared = comparison("one-factor", base, whole, part)
    assert [row.variant.name for row in section_of(compared, sort="delta").rows] == [
        "baseline",
        "part",
        "whole",
    ]
    assert [row.variant.name for row in section_of(compared, sort="score").rows] == [
        "baseline",
        "whole",
        "part",
    ]


@pytest.mark.parametrize(
    ("costs", "said"),
    [
        ((BASE[0], BASE[1] + 100), ", at the same cost, loses"),
        ((BASE[0] - 100, BASE[1] // 2), " saves 50.0 % of the MACs, and loses"),
    ],
)
def test_a_cost_that_rounds_to_no_change_is_not_said(costs: tuple[int, int], said: str) -> None:
    """Of 4,123,392 MACs 100 are 0.002 %."""
    far = planned("wide", "scale.width=x1.3", costs, 0.301, 0.302, 0.303)
    assert f"wide{said}" in section_of(comparison("one-factor", REFERENCE, far)).conclusion


def test_what_is_not_near_equal_cost_is_said() -> None:
    """The reference has 4,123,392 MACs: 4,120,000 are 0.1 % less, 2,226,632 are 54 % of them."""
    near = planned("a (iso MACs)", "a", (1, 4_120_000), 0.39, 0.40, 0.39, iso_of="a")
    far = planned("b (iso MACs)", "b", (1, 2_226_632), 0.39, 0.41, 0.39, iso_of="b")
    compared = comparison("one-factor", REFERENCE, NEAR, near, far)
    raw, equal = analyse(dataclasses.replace(compared, made_equal="macs")).sections
    assert not any("made equal" in line for line in raw.method)
    assert equal.method[0] == (
        "Not every cost could be made equal; as near as channels come: b (iso MACs) -46.0 %."
    )
    alone = dataclasses.replace(comparison("one-factor", REFERENCE, near), made_equal="macs")
    assert not any("made equal" in line for line in analyse(alone).sections[1].method)
    assert not any("made equal" in line for line in analyse(compared).sections[1].method)


def test_intervals_hold_over_the_variants_that_are_still_to_come() -> None:
    """Three pairs, two comparisons: t of two degrees at 0.05 / 2 is 6.2053, at 0.05 4.3027."""
    on = planned("on", "all.se=true", BASE, 0.41, 0.42, 0.44)
    to_come = planned("off", "all.se=false", BASE, -1, -1, -1)
    one_seed = planned("off", "all.se=false", BASE, -1)
    reach = []
    for others in ((), (to_come,), (one_seed,)):
        row = analyse(comparison("one-factor", REFERENCE, on, *others)).sections[0].variants[1]
        assert row.delta
        assert row.delta.robust
        assert row.delta.mean is not None
        reach.append(row.delta.robust.high - row.delta.mean)
    assert reach[1] / reach[0] == pytest.approx(6.2053 / 4.3027, abs=1e-4)
    assert reach[2] == reach[0]


def test_variants_that_have_equal_cost_alone_are_said_where_they_have_not() -> None:
    """With `raw = false` there is one section, of which none is another one rescaled."""
    near = planned("a", "a", (1, 4_120_000), 0.39, 0.40, 0.39)
    far = planned("b", "b", (1, 2_226_632), 0.39, 0.41, 0.39)
    compared = comparison("one-factor", REFERENCE, near, far)
    (section,) = analyse(dataclasses.replace(compared, made_equal="macs")).sections
    assert section.method[0] == (
        "Not every cost could be made equal; as near as channels come: b -46.0 %."
    )
    assert not any("made equal" in line for line in analyse(compared).sections[0].method)
