"""Power: against scipy's noncentral t, simulation and hand arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as reference

from fuseablate.stats import (
    BASES,
    Analysis,
    Basis,
    Scores,
    analyse_scores,
    dunnett,
    seeds_needed,
    smallest,
    spreads,
)
from fuseablate.stats.fit import fit
from fuseablate.stats.power import best_reference, least_reference, narrowed
from tests.helpers.scores import by_seed

# The gains of the other are 1, 0, 1, 1 and -0.5: their variance is 0.5, half of it a run's.
PAIR = {"a": by_seed(50, 51, 52, 51, 50.5), "b": by_seed(51, 51, 53, 52, 50)}


def noncentral(shift: float, limit: float, df: int) -> float:
    """Return the chance of |t| > limit, by scipy."""
    return float(reference.nct.sf(limit, df, shift) + reference.nct.cdf(-limit, df, shift))


def test_power_is_that_of_the_noncentral_t() -> None:
    base, other = by_seed(50, 51, 52, 51, 50.5), by_seed(51, 51, 53, 52, 50)
    analysis = analyse_scores({"a": base, "b": other}, "a")
    size = smallest(analysis, "alike spreads")
    assert size is not None
    assert analysis.sd is not None
    shift = size / (analysis.sd * math.sqrt(2 / 5))
    limit = reference.t.ppf(0.975, 4)
    power = reference.nct.sf(limit, 4, shift) + reference.nct.cdf(-limit, 4, shift)
    assert power == pytest.approx(0.8, abs=1e-4)
    # The bounds of the standard deviation come from chi^2 with 4 degrees of freedom.
    low, high = seeds_needed(analysis, size, "alike spreads") or (0, 0)
    assert low <= 5 <= high
    assert seeds_needed(analysis, 100 * size, "alike spreads") == (2, 2)


def test_the_power_of_two_seeds_by_hand() -> None:
    # One degree of freedom: |t| > 12.706 where |Z + d| > 12.706 |Z'|, and for so large a d, where
    # |Z'| < d / 12.706 but for little: of 80 %, d = 12.706 * 1.2816 = 16.28, and simulated.
    analysis = analyse_scores({"a": by_seed(50.0, 51.0), "b": by_seed(50.5, 51.7)}, "a")
    size = smallest(analysis, "any spreads")
    assert size
    assert analysis.sd
    shift = size / analysis.sd  # the error is sd * sqrt(2 / 2)
    assert shift == pytest.approx(16.28, abs=0.1)
    z, other = np.random.default_rng(0).standard_normal((2, 1_000_000))
    seen = np.abs(z + shift) > 12.7062 * np.abs(other)
    assert float(seen.mean()) == pytest.approx(0.8, abs=2e-3)


def fewest(sd: float, difference: float) -> int:
    """Return the fewest pairs that see a difference with 80 % power, one by one, by scipy."""
    for n in range(3, 1000):  # with one degree of freedom scipy errs
        shift = difference / (sd * math.sqrt(2 / n))
        if noncentral(shift, float(reference.t.ppf(0.975, n - 1)), n - 1) >= 0.8:
            return n
    return 1000  # and no more are asked for


@pytest.mark.parametrize("difference", [2.0, 1.5, -1.1, 1.0, 0.8, 0.5, -0.2, 0.1])
def test_the_seeds_needed_are_those_that_counting_finds(difference: float) -> None:
    analysis = analyse_scores(PAIR, "a")
    # 4 degrees of freedom: the bounds of the variance 0.25, each passed in 10 of 100.
    bounds = [math.sqrt(0.25 * 4 / reference.chi2.ppf(share, 4)) for share in (0.9, 0.1)]
    assert analysis.sd == pytest.approx(0.5)
    expected = tuple(fewest(sd, abs(difference)) for sd in bounds)
    assert seeds_needed(analysis, difference, "alike spreads") == expected
    assert seeds_needed(analysis, difference, "any spreads") == expected  # the same paired t


def test_nobody_needs_more_seeds_than_a_thousand_and_none_sees_nothing() -> None:
    analysis = analyse_scores(PAIR, "a")
    assert seeds_needed(analysis, 1e-3, "alike spreads") == (1000, 1000)
    assert seeds_needed(analysis, 0.0, "alike spreads") is None


THREE = {
    "a": by_seed(40.0, 43.1, 45.8, 42.2),
    "b": by_seed(41.2, 43.0, 46.1, 42.9),
    "c": by_seed(39.9, 44.0, 45.9, 41.6),
}


def test_the_power_of_one_of_several_comparisons() -> None:
    # Three variants of four seeds in blocks: 2 * 3 degrees of freedom.
    analysis = analyse_scores(THREE, "a")
    difference = smallest(analysis, "alike spreads")
    assert difference
    assert analysis.sd
    shift = difference / (analysis.sd * math.sqrt(2 / 4))
    assert noncentral(shift, 2.86, 6) == pytest.approx(0.8, abs=2e-3)  # Dunnett 1964
    low, high = seeds_needed(analysis, difference, "alike spreads") or (0, 0)
    assert low < 4 < high


def test_the_power_where_seeds_are_no_blocks() -> None:
    scores: Scores = {
        "a": dict(enumerate([40.0, 41.0, 39.5, 40.5, 40.2, 39.1, 41.3, 40.8, 39.9, 40.6])),
        "b": {20: 40.3, 21: 41.2, 22: 39.4},
        "c": {30: 40.9, 31: 39.2, 32: 40.6},
    }
    analysis = analyse_scores(scores, "a")
    assert not analysis.blocked
    assert (analysis.seeds, analysis.base, analysis.df) == (3, 10, 13)
    difference = smallest(analysis, "alike spreads")
    assert difference
    assert analysis.sd
    shift = difference / (analysis.sd * math.sqrt(1 / 3 + 1 / 10))
    # Each two comparisons share the reference: they are correlated by 3 / 13.
    limit = dunnett.critical(2, 13, 0.05, 3 / 13)
    assert noncentral(shift, limit, 13) == pytest.approx(0.8, abs=1e-4)
    # Seeds are needed of each, the reference too: as many, and 2 (n - 1) + n - 1 of freedom.
    bounds = [analysis.sd * math.sqrt(13 / reference.chi2.ppf(p, 13)) for p in (0.9, 0.1)]
    expected = []
    for sd in bounds:
        for n in range(3, 99):
            df = 3 * (n - 1)
            if noncentral(1.5 / (sd * math.sqrt(2 / n)), dunnett.critical(2, df), df) >= 0.8:
                expected.append(n)
                break
    assert seeds_needed(analysis, 1.5, "alike spreads") == tuple(expected)


def test_spreads_that_differ_leave_one_kind_of_power() -> None:
    wild = by_seed(30.0, 52.0, 47.0, 36.0)
    analysis = analyse_scores({"a": by_seed(40, 40.1, 40.2, 40.1), "b": wild, "c": wild}, "a")
    assert not analysis.alike
    assert smallest(analysis, "alike spreads") is None
    assert seeds_needed(analysis, 1.0, "alike spreads") is None
    assert smallest(analysis, "any spreads")
    assert seeds_needed(analysis, 10.0, "any spreads")


def seen(analysis: Analysis, size: float, seeds: int, base: int, limit: float) -> float:
    """Return how often simulated means differ by more than their own errors allow."""
    rng = np.random.default_rng(3)
    own = list((analysis.own or {}).values())
    mine = rng.normal(size, own[1], (200_000, seeds))
    other = rng.normal(0, own[0], (200_000, base))
    error = np.sqrt(mine.var(1, ddof=1) / seeds + other.var(1, ddof=1) / base)
    return float((abs(mine.mean(1) - other.mean(1)) > limit * error).mean())


def test_the_power_of_a_pair_that_shares_no_seed() -> None:
    base = dict(enumerate([40.0, 41.0, 39.5, 40.5, 40.2, 39.1]))
    analysis = analyse_scores({"a": base, "b": {20: 40.3, 21: 43.2, 22: 38.4, 23: 40.9}}, "a")
    assert not analysis.blocked
    difference = smallest(analysis, "any spreads")
    assert difference
    limit = float(reference.t.ppf(0.975, 3))  # of the one with fewer seeds (Hsu, 1938)
    assert seen(analysis, difference, 4, 6, limit) == pytest.approx(0.8, abs=0.012)


def test_more_seeds_of_the_reference_show_smaller_differences() -> None:
    base = dict(enumerate([40.0, 41.0, 39.5, 40.5, 40.2, 39.1, 41.3, 40.8, 39.9]))
    analysis = analyse_scores({"a": base, "b": {20: 40.3, 21: 41.2, 22: 39.4}}, "a")
    size = smallest(analysis, "alike spreads")
    assert not analysis.blocked
    assert analysis.sd
    assert size
    shift = size / (analysis.sd * math.sqrt(1 / 3 + 1 / 9))
    limit = float(reference.t.ppf(0.975, 10))
    assert reference.nct.sf(limit, 10, shift) == pytest.approx(0.8, abs=1e-3)


WILD = {
    "a": by_seed(40.0, 41.2, 39.7, 40.4),
    "b": by_seed(41.1, 43.9, 40.2, 42.0),
    "c": by_seed(39.0, 40.1, 38.9, 39.6),
}


def test_the_power_whatever_the_spreads_is_that_of_the_widest_variant() -> None:
    analysis = analyse_scores(WILD, "a")
    swapped = analyse_scores({name: WILD[name] for name in "acb"}, "a")
    difference, other = (smallest(judged, "any spreads") for judged in (analysis, swapped))
    # The draws of the variances are by position: 2,000 of them are alike to some percent.
    assert difference == pytest.approx(other, rel=0.03)


def seen_of_three(analysis: Analysis, size: float, limit: float) -> float:
    """Return how often the widest of two variants is seen in simulated runs, beside the other.

    No variance is taken below half of the mean of the three, as docs/statistics.md says.
    """
    rng = np.random.default_rng(4)
    reference_sd, *others = (analysis.own or {}).values()
    counts = (analysis.seeds if analysis.blocked else analysis.base, *[analysis.seeds] * 2)
    scores = [
        rng.normal(mean, sd, (200_000, count))
        for mean, sd, count in zip((0, size, 0), (reference_sd, *sorted(others)[::-1]), counts,
                                   strict=True)
    ]  # fmt: skip
    variances = np.array([runs.var(1, ddof=1) for runs in scores])
    variances = np.maximum(variances, variances.mean(0) / 2)
    error = np.sqrt(variances[0] / counts[0] + variances[1] / counts[1])
    return float((abs(scores[1].mean(1) - scores[0].mean(1)) > limit * error).mean())


@pytest.mark.parametrize("comparisons", [2, 20])
def test_the_power_of_several_variants_whatever_their_spreads(comparisons: int) -> None:
    analysis = analyse_scores(WILD, "a", comparisons=comparisons)
    assert analysis.blocked
    difference = smallest(analysis, "any spreads")
    assert difference
    limit = spreads.critical(comparisons, 4, 4)
    assert seen_of_three(analysis, difference, limit) == pytest.approx(0.8, abs=0.02)


def test_the_power_of_several_variants_beside_a_reference_with_more_seeds() -> None:
    scores: Scores = {
        "a": dict(enumerate([40.0, 44.0, 37.5, 42.5, 40.2, 39.1, 45.0, 36.0])),
        "b": {20: 40.3, 21: 41.2, 22: 39.4},
        "c": {30: 40.9, 31: 37.2, 32: 43.6},
    }
    analysis = analyse_scores(scores, "a")
    assert (analysis.blocked, analysis.seeds, analysis.base) == (False, 3, 8)
    difference = smallest(analysis, "any spreads")
    assert difference
    limit = spreads.critical(2, 3, 8)
    assert seen_of_three(analysis, difference, limit) == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("scores", [PAIR, THREE])
@pytest.mark.parametrize("basis", BASES)
def test_seeds_that_the_reference_has_alone_tell_nothing_in_blocks(
    scores: Scores, basis: Basis
) -> None:
    more = {**scores, "a": {**scores["a"], 90: 47.0, 91: 41.0}}
    analysis, wider = analyse_scores(scores, "a"), analyse_scores(more, "a")
    assert wider.blocked
    assert wider.base == analysis.base + 2
    assert smallest(wider, basis) == pytest.approx(smallest(analysis, basis))


def test_the_power_of_a_pair_that_is_one_of_four_comparisons() -> None:
    # Bonferroni: each has a quarter of the 5 %, half of that at each end.
    analysis = analyse_scores(PAIR, "a", comparisons=4)
    size = smallest(analysis, "any spreads")
    assert size
    assert analysis.sd
    limit = float(reference.t.ppf(1 - 0.05 / 8, 4))
    assert noncentral(size / (analysis.sd * math.sqrt(2 / 5)), limit, 4) == pytest.approx(
        0.8, abs=1e-4
    )
    apart: Scores = {
        "a": dict(enumerate([40.0, 41.0, 39.5, 40.5, 40.2, 39.1])),
        "b": {20: 40.3, 21: 43.2, 22: 38.4, 23: 40.9},
    }
    analysis = analyse_scores(apart, "a", comparisons=4)
    size = smallest(analysis, "any spreads")
    assert size
    limit = float(reference.t.ppf(1 - 0.05 / 8, 3))
    assert seen(analysis, size, 4, 6, limit) == pytest.approx(0.8, abs=0.012)


def test_a_pair_sees_what_its_shared_seeds_see() -> None:
    """The rest tells the paired t nothing: there are three pairs, not four seeds of each."""
    shared = {"a": {1: 51.0, 2: 52.0, 3: 50.5}, "b": {1: 51.0, 2: 53.0, 3: 50.0}}
    more = {"a": {0: 50.0, **shared["a"]}, "b": {**shared["b"], 4: 52.0}}
    analysis = analyse_scores(more, "a")
    assert analysis.blocked
    for basis in BASES:
        size = smallest(analyse_scores(shared, "a"), basis)
        assert size
        assert smallest(analysis, basis) == pytest.approx(size)


@pytest.mark.parametrize("scores", [PAIR, THREE, WILD])
def test_seeds_needed_are_the_same_in_another_unit(scores: Scores) -> None:
    doubled = {name: {s: 2 * score for s, score in mine.items()} for name, mine in scores.items()}
    for basis in BASES:
        needed = seeds_needed(analyse_scores(scores, "a"), 1.3, basis)
        assert needed == seeds_needed(analyse_scores(doubled, "a"), 2.6, basis)
        assert needed
        assert needed[0] < needed[1]


def test_the_best_number_of_seeds_of_the_reference() -> None:
    # Dunnett 1955: the root of the number of comparisons. sqrt((1/3 + 1/9) / (2/3)) = sqrt(2/3).
    assert narrowed(3, 9) == pytest.approx(math.sqrt(2 / 3))
    assert narrowed(4, 4) == 1.0
    assert [best_reference(3, comparisons) for comparisons in (9, 5, 1, 0)] == [9, 7, 3, 3]


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_what_the_references_own_seeds_gain_is_what_the_fit_makes_of_them(seeds: int) -> None:
    def error(reference: int) -> float:
        """Return the standard error of each difference where a run's deviation is 1."""
        each = {name: by_seed(*range(seeds)) for name in "bcd"}
        return float(np.sqrt(fit({"a": by_seed(*range(reference)), **each}, "a").shares.sum(1))[0])

    gains = {more: error(more) / error(seeds) for more in range(seeds, 3 * seeds)}
    assert {more: narrowed(seeds, more) for more in gains} == pytest.approx(gains)
    assert min(more for more in gains if gains[more] < 0.99) == least_reference(seeds)
    assert best_reference(seeds, 2) == seeds
