"""Intervals that hold whatever the spreads: against brute force, hand arithmetic, simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as reference

from fuseablate.stats import Delta, Scores, analyse_scores, smallest, spreads
from fuseablate.stats.deltas import Interval
from fuseablate.stats.fit import fit


def drawn(seeds: dict[str, range | list[int]], sd: float = 1.0) -> Scores:
    rng = np.random.default_rng(5)
    return {
        name: {seed: float(rng.normal(40 + 3 * seed, sd)) for seed in mine}
        for name, mine in seeds.items()
    }


def by_matrices(scores: Scores, blocked: bool) -> dict[str, object]:
    """The fit from the definitions: dummy variables, projections, expectations of squares."""
    names = list(scores)
    runs = [(name, seed) for name in names for seed in scores[name]]
    seeds = sorted({seed for _, seed in runs})
    columns = [[float(name == level) for name, _ in runs] for level in names]
    columns += [[float(seed == level) for _, seed in runs] for level in seeds] if blocked else []
    design = np.array(columns).T
    values = np.array([scores[name][seed] for name, seed in runs])
    solve = np.linalg.pinv(design)
    keep = np.eye(len(runs)) - design @ solve
    rest = keep @ values
    weights = solve[1 : len(names)] - solve[0]
    groups = np.array([[float(name == level) for name, _ in runs] for level in names])
    df = len(runs) - np.linalg.matrix_rank(design)
    return {
        "differences": weights @ values,
        "shares": weights**2 @ groups.T,
        "df": df,
        "pooled": (rest**2).sum() / df,
        "own": np.linalg.lstsq(groups @ keep**2 @ groups.T, groups @ rest**2, rcond=None)[0],
    }


@pytest.mark.parametrize(
    ("seeds", "blocked"),
    [
        ({"a": range(5), "b": range(5), "c": range(5)}, True),
        ({"a": range(5), "b": range(4), "c": range(5), "d": range(1, 5)}, True),
        ({"a": range(9), "b": range(3), "c": range(3)}, False),  # too few are shared
        ({"a": [0, 1, 2], "b": [3, 4, 5], "c": [0, 1, 2]}, False),
    ],
)
def test_the_fit_is_that_of_the_matrices(
    seeds: dict[str, range | list[int]], blocked: bool
) -> None:
    scores = drawn(seeds)
    fitted, expected = fit(scores, "a"), by_matrices(scores, blocked)
    assert fitted.blocked == blocked
    for name, value in expected.items():
        assert getattr(fitted, name) == pytest.approx(value), name


there = st.lists(st.sets(st.integers(0, 3), min_size=2), min_size=3, max_size=5)


@settings(max_examples=60, deadline=None)
@given(there)
def test_the_fit_of_any_seeds_is_that_of_the_matrices(seeds: list[set[int]]) -> None:
    scores = drawn({str(at): sorted(mine) for at, mine in enumerate(seeds)})
    fitted = fit(scores, "0")
    expected = by_matrices(scores, fitted.blocked)
    assert fitted.differences == pytest.approx(expected["differences"], abs=1e-8)
    assert fitted.shares == pytest.approx(expected["shares"], abs=1e-8)
    assert (fitted.df, fitted.pooled) == pytest.approx((expected["df"], expected["pooled"]))


def test_a_missing_seed_does_not_throw_pairing_away() -> None:
    # Seeds add 0, 3, 6, 9 and 12: by the runs alone nothing could be told.
    scores = {"a": {s: 40.0 + 3 * s + (s % 2) / 9 for s in range(5)},
              "b": {s: 41.0 + 3 * s - (s % 3) / 9 for s in range(4)}}  # fmt: skip
    analysis = analyse_scores(scores, "a", matters=0.1)
    (delta,) = analysis.deltas
    pairs = [list(scores[name].values())[:4] for name in ("b", "a")]
    paired = reference.ttest_rel(*pairs)
    interval = paired.confidence_interval(0.95)
    assert analysis.blocked
    assert (delta.low, delta.high) == pytest.approx((interval.low, interval.high))
    assert (delta.verdict, delta.holds) == ("better", "whatever the spreads")


def test_two_variants_without_a_common_seed() -> None:
    # Welch's error with the degrees of freedom of the one that has fewer seeds (Hsu's bound).
    base, other = {0: 50.0, 1: 51.0, 2: 52.0}, {3: 47.0, 4: 47.5, 5: 49.0, 6: 48.0}
    analysis = analyse_scores({"a": base, "b": other}, "a")
    (delta,) = analysis.deltas
    assert delta.robust
    error = math.sqrt(1 / 3 + np.var(list(other.values()), ddof=1) / 4)
    reach = float(reference.t.ppf(0.975, 2)) * error
    assert not analysis.blocked
    assert "Too few runs share a seed: they are not paired." in analysis.why
    assert (delta.robust.low, delta.robust.high) == pytest.approx((-3.125 - reach, -3.125 + reach))


def test_a_variance_far_below_the_others_is_raised_to_half_of_the_mean() -> None:
    variances = np.array([[1.0, 4.0, 0.1, -0.3], [1.0, 1.0, 1.0, 1.0]])
    assert spreads.floored(variances) == pytest.approx(
        np.array([[1.0, 4.0, 0.6, 0.6], [1.0, 1.0, 1.0, 1.0]])
    )


def test_spreads_that_visibly_differ_leave_the_robust_interval_alone() -> None:
    rng = np.random.default_rng(3)
    sds = {"a": 0.05, "b": 0.05, "c": 9.0}
    scores = {name: dict(enumerate(rng.normal(50, sd, 5).tolist())) for name, sd in sds.items()}
    analysis = analyse_scores(scores, "a")
    assert not analysis.alike
    assert "visibly differ" in analysis.why
    assert all(delta.alike is None and delta.robust for delta in analysis.deltas)


def test_more_seeds_of_the_reference_narrow_every_interval() -> None:
    few = drawn({"a": range(3), "b": range(3), "c": range(3), "d": range(3)})
    # Nine seeds of the reference with the same spread: each difference has 1/9 + 1/3 in place of
    # 1/3 + 1/3 of a variance.
    fitted = fit({**few, "a": {**few["a"], **{s: few["a"][s % 3] for s in range(3, 9)}}}, "a")
    assert fitted.shares.sum(1) == pytest.approx([1 / 9 + 1 / 3] * 3)


@pytest.mark.parametrize(
    ("robust", "alike", "verdict", "holds"),
    [
        ((0.2, 3.0), (0.5, 2.7), "better", "whatever the spreads"),
        ((-0.2, 3.0), (0.5, 2.7), "better", "if spreads are alike"),
        ((0.2, 3.0), (-0.1, 3.3), "unclear", ""),  # both must say so
        ((0.1, 3.1), (0.6, 0.9), "same", "if spreads are alike"),
        ((-3.0, -0.2), None, "worse", "whatever the spreads"),
        ((-0.2, 3.0), None, "unclear", ""),
        ((-2.0, 2.0), (-1.5, 1.4), "unclear", ""),
        ((-2.0, 2.0), (-0.5, 0.9), "same", "if spreads are alike"),
        ((-0.9, 0.9), (-0.5, 0.5), "same", "whatever the spreads"),
        ((0.1, 0.9), (0.2, 0.8), "same", "whatever the spreads"),  # it outranks better
        (None, None, "no claim", ""),
    ],
)
def test_a_verdict_and_when_it_holds(
    robust: tuple[float, float] | None,
    alike: tuple[float, float] | None,
    verdict: str,
    holds: str,
) -> None:
    first, second = (Interval(*ends, 0.5) if ends else None for ends in (robust, alike))
    delta = Delta("b", 3, 1.0, first, second, matters=1.0)
    assert (delta.verdict, delta.holds) == (verdict, holds)


@pytest.mark.parametrize(
    ("seeds", "images", "limit"),
    [(0.2, 0.1, "seeds"), (0.1, 0.2, "images"), (None, 0.1, None), (0.1, None, None)],
)
def test_the_larger_of_two_errors_is_the_limit(
    seeds: float | None, images: float | None, limit: str | None
) -> None:
    assert Delta("b", 3, 1.0, seed_se=seeds, image_se=images).limit == limit


def wrong_claims(spread: list[float], seeds: int, repetitions: int) -> float:
    """The share of studies with a robust claim where nothing differs, from the definitions."""
    rng = np.random.default_rng(seeds)
    values = rng.normal(size=(repetitions, len(spread), seeds)) * np.array(spread)[:, None]
    count = len(spread)
    centred = values - values.mean(2, keepdims=True)
    centred -= centred.mean(1, keepdims=True)
    squares = (centred**2).sum(2) / (seeds - 1)
    mean = squares.sum(1, keepdims=True) / (count - 1)
    own = (squares - mean / count) * count / (count - 2)
    own = np.maximum(own, 0.5 * mean)
    means = values.mean(2)
    t = np.abs(means[:, 1:] - means[:, :1]) / np.sqrt((own[:, 1:] + own[:, :1]) / seeds)
    return float((t.max(1) > spreads.critical(count - 1, seeds, seeds)).mean())


@pytest.mark.parametrize("seeds", [2, 3, 5, 7])
@pytest.mark.parametrize(
    "spread",
    [
        [1.0] * 6,
        [3.0, *[1.0] * 5],
        [1.0, 4.0, 1.0, 1.0, 1.0, 1.0],
        [10.0, 1.0, 1.0, 0.3, 0.3, 0.3],
        [0.01, 1.0, 0.01, 0.01, 0.01, 0.01],
        [1.0, 0.7, 0.5, 0.3, 0.2, 0.1, 0.1, 0.1],
    ],
)
def test_the_critical_values_hold_whatever_the_spreads(spread: list[float], seeds: int) -> None:
    assert wrong_claims(spread, seeds, 20_000) < 0.055


def test_critical_values_of_one_comparison_and_of_many_seeds() -> None:
    assert spreads.critical(1, 4, 7) == pytest.approx(reference.t.ppf(0.975, 3))
    # Of very many seeds variances are known: at worst independent normals (Sidak).
    sidak = reference.norm.ppf(1 - (1 - 0.95 ** (1 / 10)) / 2)
    assert spreads.critical(10, 100_000, 100_000) == pytest.approx(sidak, rel=1e-3)
    counts = [spreads.critical(count, 4, 4) for count in (3, 4, 7)]
    assert counts == sorted(counts)
    seeds = [spreads.critical(5, n, n) for n in (7, 8, 9)]
    assert seeds == sorted(seeds, reverse=True)
    # A reference with fewer seeds than the variants is what limits them.
    assert spreads.critical(5, 9, 4) == spreads.critical(5, 4, 4)


@pytest.mark.parametrize(("seeds", "count", "times"), [(5, 20, 3), (10, 20, 6), (10, 4, 100)])
def test_critical_values_where_the_reference_has_more_seeds(
    seeds: int, count: int, times: int
) -> None:
    rng = np.random.default_rng(seeds + times)
    wrong = []
    for _ in range(10):
        values = rng.standard_normal((2000, count, seeds))
        more = seeds * times
        base = rng.standard_normal((2000, 1)) / math.sqrt(more)
        variances = np.concatenate(
            [rng.chisquare(more - 1, (2000, 1)) / (more - 1), values.var(2, ddof=1)], axis=1
        )
        variances = np.maximum(variances, 0.5 * variances.mean(1, keepdims=True))
        errors = np.sqrt(variances[:, 1:] / seeds + variances[:, :1] / more)
        t = np.abs(values.mean(2) - base) / errors
        wrong.append(float((t.max(1) > spreads.critical(count, seeds, more)).mean()))
    assert np.mean(wrong) < 0.055


@pytest.mark.parametrize(("count", "seeds", "level"), [(1, 3, 0.05), (5, 4, 0.01), (12, 7, 0.2)])
def test_a_p_value_is_the_level_of_its_critical_value(count: int, seeds: int, level: float) -> None:
    limit = spreads.critical(count, seeds, 2 * seeds, level)
    assert spreads.probability(limit, count, seeds, 2 * seeds) == pytest.approx(level)
    assert spreads.probability(-limit, count, seeds, 2 * seeds) == pytest.approx(level)
    assert spreads.probability(0.0, count, seeds, 2 * seeds) == pytest.approx(1.0)


def test_the_power_of_robust_intervals_is_what_simulated_studies_have() -> None:
    spread = {"a": 1.0, "b": 0.6, "c": 1.5, "d": 0.6}
    rng = np.random.default_rng(4)
    first = {name: dict(enumerate(rng.normal(0, sd, 6).tolist())) for name, sd in spread.items()}
    analysis = analyse_scores(first, "a")
    # As if what this study estimates were the truth; the worst variant is the one of most spread.
    assert analysis.own
    size = smallest(analysis, "any spreads")
    worst = max("bcd", key=lambda name: (analysis.own or {})[name])
    assert size
    seen, repetitions = 0, 1500
    for _ in range(repetitions):
        study = {
            name: dict(enumerate((rng.normal(0, sd, 6) + size * (name == worst)).tolist()))
            for name, sd in analysis.own.items()
        }
        analysed = analyse_scores(study, "a", matters=0.0)
        delta = next(delta for delta in analysed.deltas if delta.variant == worst)
        assert delta.robust
        seen += delta.robust.verdict(0.0) == "better"
    # 1,500 studies have a standard error of 0.01; the power ignores what blocks cost.
    assert seen / repetitions == pytest.approx(0.8, abs=0.04)
