"""Statistics: against published tables, scipy, hand arithmetic and simulation."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as reference

from fuseablate.stats import (
    Analysis,
    Scores,
    analyse_scores,
    dunnett,
    seeds_needed,
    smallest,
    spreads,
)  # fmt: skip
from fuseablate.stats.roots import crossing
from tests.helpers.scores import by_seed

# Dunnett, "New tables for multiple comparisons with a control", Biometrics 20 (1964), two-sided
# 5 %: a row for each degrees of freedom, a column for 1 to 5 treatments.
DUNNETT_1964 = {
    5: [2.57, 3.03, 3.29, 3.48, 3.62],
    6: [2.45, 2.86, 3.10, 3.26, 3.39],
    10: [2.23, 2.57, 2.76, 2.89, 2.99],
    20: [2.09, 2.38, 2.54, 2.65, 2.73],
}


@pytest.mark.parametrize("df", DUNNETT_1964)
def test_critical_values_are_those_of_the_published_table(df: int) -> None:
    criticals = [dunnett.critical(count, df) for count in range(1, 6)]
    assert criticals == pytest.approx(DUNNETT_1964[df], abs=0.0051)


def test_one_comparison_is_students_t() -> None:
    for df in (1, 2, 4, 30):
        assert dunnett.critical(1, df) == pytest.approx(reference.t.ppf(0.975, df), rel=1e-4)
        assert dunnett.probability(1.7, 1, df) == pytest.approx(2 * reference.t.sf(1.7, df))


def test_adjusted_p_values_are_scipys() -> None:
    # scipy's test is for a one-way layout; its distribution of 3 comparisons and 16 degrees of
    # freedom is asked for the same t.
    rng = np.random.default_rng(7)
    control, *treated = rng.normal([[50.0], [51.0], [49.5], [52.0]], 1.0, (4, 5))
    theirs = reference.dunnett(*treated, control=control, random_state=np.random.default_rng(1))
    ours = [dunnett.probability(t, 3, 16) for t in theirs.statistic]
    assert ours == pytest.approx(list(theirs.pvalue), abs=2e-3)


@pytest.mark.parametrize(("count", "df"), [(2, 2), (2, 4), (3, 6), (6, 12), (11, 22)])
def test_the_quadrature_agrees_with_the_multivariate_t(count: int, df: int) -> None:
    shape = np.full((count, count), 0.5) + np.eye(count) / 2
    limit = np.full(count, dunnett.critical(count, df))
    inside = reference.multivariate_t(shape=shape, df=df).cdf(
        limit, lower_limit=-limit, random_state=np.random.default_rng(0), maxpts=200_000
    )
    assert inside == pytest.approx(0.95, abs=2e-3)


def test_two_variants_with_equal_seeds_are_a_paired_t_test() -> None:
    base, other = by_seed(31.70, 31.58, 32.13), by_seed(26.00, 29.50, 26.36)
    analysis = analyse_scores({"base": base, "off": other}, "base")
    (delta,) = analysis.deltas
    paired = reference.ttest_rel(list(other.values()), list(base.values()))
    interval = paired.confidence_interval(0.95)
    assert (delta.low, delta.high) == pytest.approx((interval.low, interval.high))
    assert delta.p == pytest.approx(paired.pvalue)
    assert (delta.verdict, delta.holds) == ("unclear", "")
    assert analysis.df == 2


def test_blocks_by_hand() -> None:
    # Seeds add 0, 3, 6 and variants 0, 1, 2; what is left over has rows and columns of sum 0 and
    # squares of sum 6: over 2 x 2 degrees of freedom a variance of 1.5. The seeds' effect is gone.
    noise = [[1, 0, -1], [0, -1, 1], [-1, 1, 0]]
    scores = {
        name: by_seed(*(40 + 3 * seed + row + noise[row][seed] for seed in range(3)))
        for row, name in enumerate("abc")
    }
    analysis = analyse_scores(scores, "a")
    assert analysis.sd == pytest.approx(math.sqrt(1.5))
    assert analysis.df == 4
    # The error of a difference is sqrt(1.5 * 2 / 3) = 1; the reach is Dunnett's t itself.
    alike, robust = analysis.deltas[0].alike, analysis.deltas[0].robust
    assert alike
    assert alike.high - 1 == pytest.approx(dunnett.critical(2, 4))
    # Each row's squares come to 2, which is 1/3 of all: each has the same variance of its own.
    assert robust
    assert robust.high - 1 == pytest.approx(spreads.critical(2, 3, 3))
    assert analysis.own == pytest.approx(dict.fromkeys("abc", math.sqrt(1.5)))
    assert [delta.mean for delta in analysis.deltas] == pytest.approx([1, 2])
    assert [delta.verdict for delta in analysis.deltas] == ["unclear", "unclear"]


def test_one_seed_makes_no_claim() -> None:
    analysis = analyse_scores({"a": {0: 50.0}, "b": {0: 60.0}, "c": {}}, "a")
    assert analysis.method == "one seed"
    assert [delta.verdict for delta in analysis.deltas] == ["no claim"] * 2
    assert [delta.mean for delta in analysis.deltas] == [10.0, None]
    assert smallest(analysis, "alike spreads") is None
    assert seeds_needed(analysis, 1.0, "any spreads") is None


def test_a_variant_with_one_seed_left_makes_no_claim_beside_others_that_do() -> None:
    scores = {"a": by_seed(50, 51, 52), "b": by_seed(40, 41, 42.5), "c": {1: 45.0}, "d": {}}
    analysis = analyse_scores(scores, "a")
    assert [delta.verdict for delta in analysis.deltas] == ["worse", "no claim", "no claim"]
    assert [delta.n for delta in analysis.deltas] == [3, 1, 0]
    assert analysis.comparisons == 1


@pytest.mark.parametrize("more", [{}, {"c": by_seed(39.9, 40.9, 42.9)}])
@pytest.mark.parametrize("other", [(40.1, 41.1, 43.1), (41.2, 42.2, 44.2)])
def test_the_same_difference_at_every_seed_makes_no_claim(
    other: tuple[float, ...], more: Scores
) -> None:
    scores = {"a": by_seed(40.1, 41.1, 43.1), "b": by_seed(*other), **more}
    analysis = analyse_scores(scores, "a")
    delta, *_ = analysis.deltas
    assert (analysis.method, analysis.sd) == ("no spread", 0.0)
    assert "no spread to judge by" in analysis.why
    assert (delta.verdict, delta.low, delta.p) == ("no claim", None, None)
    assert delta.mean == pytest.approx(other[0] - 40.1)
    assert smallest(analysis, "alike spreads") is None
    assert seeds_needed(analysis, 1.0, "any spreads") is None


@pytest.mark.parametrize(
    ("base", "other", "why"),
    [
        ((), (), "No run has a result, so that nothing can be compared."),
        ((), (50, 51), "The reference has no result, so that nothing can be compared with it."),
        ((50, 51), (), "No variant has a result that could be compared with the reference."),
        ((50,), (50, 51), "One seed of the reference: differences may be seed noise, and no"),
        ((50, 51), (50,), "One seed of each variant: differences may be seed noise, and no"),
        ((50,), (50,), "One seed: differences may be seed noise, and no claim is made."),
    ],
)
def test_where_nothing_is_judged_it_is_said_why(
    base: tuple[float, ...], other: tuple[float, ...], why: str
) -> None:
    analysis = analyse_scores({"a": by_seed(*base), "b": by_seed(*other)}, "a")
    assert analysis.method == ("one seed" if why.startswith("One seed") else "no result")
    assert analysis.why.startswith(why)
    assert analysis.deltas[0].verdict == "no claim"


def test_the_error_of_the_images_is_that_of_a_paired_difference() -> None:
    # Of 100 images 60 are right for both, 20 only for the variant, 10 only for the reference:
    # the difference is 10 points, its variance 0.3 - 0.1^2 = 0.29, over n - 1 = 99.
    base = [True] * 60 + [False] * 20 + [True] * 10 + [False] * 10
    other = [True] * 60 + [True] * 20 + [False] * 10 + [False] * 10
    rights = {"a": {0: base, 1: base}, "b": {0: other, 1: other}}
    analysis = analyse_scores({"a": by_seed(70, 70.1), "b": by_seed(80, 80.2)}, "a", rights)
    (delta,) = analysis.deltas
    assert delta.image_se == pytest.approx(100 * math.sqrt(0.29 / 99))
    assert delta.limit == "images"


def simulated(seeds: int, shifts: list[float], rng: np.random.Generator) -> Analysis:
    noise = rng.normal(0, 0.7, (len(shifts), seeds)) + rng.normal(0, 1.5, seeds)
    rows = 40 + np.array(shifts)[:, None] + noise
    scores = {str(at): by_seed(*map(float, row)) for at, row in enumerate(rows)}
    return analyse_scores(scores, "0", matters=0.0)  # never the same


@pytest.mark.parametrize("seeds", [3, 5])
def test_simulated_studies_cover_and_rarely_claim_what_is_not_so(seeds: int) -> None:
    """2,000 studies of four variants with seed effects; seeds of the generator are fixed."""
    rng = np.random.default_rng(seeds)
    shifts = [0.0, 1.0, -0.5, 0.0]
    covered = wrong = 0
    for _ in range(2000):
        deltas = simulated(seeds, shifts, rng).deltas
        truth = list(zip(deltas, shifts[1:], strict=True))
        covered += all(delta.low <= shift <= delta.high for delta, shift in truth)  # type: ignore[operator]
        claims = {0.0: "unclear", 1.0: "better", -0.5: "worse"}
        wrong += any(delta.verdict not in ("unclear", claims[shift]) for delta, shift in truth)
    assert 0.93 <= covered / 2000 <= 0.97
    assert wrong / 2000 <= 0.06


tables = st.integers(2, 4).flatmap(
    lambda seeds: st.lists(
        st.lists(st.floats(0, 100, width=16), min_size=seeds, max_size=seeds),
        min_size=2,
        max_size=4,
    )
)


@settings(max_examples=50, deadline=None)
@given(tables, st.floats(-50, 50))
def test_interval_and_verdict_agree_and_a_shift_of_all_changes_nothing(
    table: list[list[float]], shift: float
) -> None:
    scores: Scores = {str(at): by_seed(*row) for at, row in enumerate(table)}
    moved = {name: {s: score + shift for s, score in mine.items()} for name, mine in scores.items()}
    first, second = analyse_scores(scores, "0"), analyse_scores(moved, "0")
    for delta, other in zip(first.deltas, second.deltas, strict=True):
        if delta.low is None:  # no spread
            assert delta.verdict == "no claim"
            continue
        assert delta.high is not None
        assert delta.mean == pytest.approx(
            statistics.mean(scores[delta.variant].values()) - statistics.mean(scores["0"].values()),
            abs=1e-9,
        )
        assert delta.low <= delta.mean <= delta.high  # type: ignore[operator]
        if delta.verdict == "same":
            assert -1 <= delta.low <= delta.high <= 1
        else:
            assert (delta.verdict == "unclear") == (delta.low <= 0 <= delta.high)
        if first.method == second.method and delta.robust and other.robust:
            assert other.robust.low == pytest.approx(delta.robust.low, abs=1e-6)


@pytest.mark.parametrize(
    ("function", "root"),
    [
        (lambda x: math.exp(-x) - 0.05, math.log(20)),
        (lambda x: x**3 - 1000, 10.0),
        (lambda x: 1 / (1 + x) - 1 / 4097, 4096.0),
        (lambda x: x - 1e-6, 1e-6),
    ],
)
def test_where_a_function_crosses_zero(function: Callable[[float], float], root: float) -> None:
    assert crossing(function) == pytest.approx(root, rel=1e-9)
