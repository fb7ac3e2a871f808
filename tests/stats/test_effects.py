"""Effects of factors: by hand, between merged variants, without spread, and simulated."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from scipy import stats as reference

from fuseablate.seeds import Looks
from fuseablate.stats import (
    effects,
)  # fmt: skip
from tests.helpers.scores import by_seed


def test_factorial_effects_by_hand() -> None:
    # a is worth 2, b is worth -1, both together 0.5 more; seeds differ, and noise of sum 0.
    cells = {"0": (0, 0), "a": (1, 0), "b": (0, 1), "ab": (1, 1)}
    scores = {
        name: by_seed(*(50 + s + 2 * a - b + 0.5 * a * b + (a - b) * (s - 1.5) for s in (0, 3)))
        for name, (a, b) in cells.items()
    }
    levels = {
        name: [{"A": "on" if a else "baseline", "B": "on" if b else "baseline"}]
        for name, (a, b) in cells.items()
    }
    means = {effect.factors: effect.mean for effect in effects(scores, levels)}
    assert means == pytest.approx({("A",): 2.25, ("B",): -0.75, ("A", "B"): 0.5})
    assert effects({"0": {0: 1.0}, "a": {0: 2.0}}, levels) == ()


def test_intervals_of_effects_by_hand() -> None:
    # One factor: the effect's interval is the paired t's, of one comparison.
    base, other = by_seed(31.70, 31.58, 32.13), by_seed(26.00, 29.50, 26.36)
    levels = {"base": [{"se": "baseline"}], "off": [{"se": "off"}]}
    (effect,) = effects({"base": base, "off": other}, levels)
    assert effect.robust
    interval = reference.ttest_rel(list(other.values()), list(base.values())).confidence_interval()
    assert (effect.robust.low, effect.robust.high) == pytest.approx((interval.low, interval.high))
    assert effect.robust.p == pytest.approx(
        reference.ttest_rel(list(other.values()), list(base.values())).pvalue
    )


def cells(*names: str) -> list[dict[str, str]]:
    """Combinations of two factors, each by its two levels: `off-2` has A off and B at 2."""
    pairs = (name.split("-") for name in names)
    words = {"0": "baseline"}
    return [{"A": words.get(a, a), "B": words.get(b, b)} for a, b in pairs]


# B changes nothing where A is off: two combinations are one network.
IDLE = {"base": cells("0-0"), "off": cells("off-0", "off-2"), "reduced": cells("0-2")}


def test_a_merged_variant_counts_in_each_of_its_cells() -> None:
    # Means 50, 44 and 50.5. A: (44 - 50 + 44 - 50.5) / 2; B: (50.5 - 50 + 44 - 44) / 2; how much
    # larger B is with A than without: (44 - 44) - (50.5 - 50). By the variants alone B would be
    # 50.5 - (50 + 44) / 2, which is 3.5.
    scores = {
        "base": by_seed(49.0, 50.0, 51.0),
        "off": by_seed(43.5, 44.5, 44.0),
        "reduced": by_seed(50.0, 50.0, 51.5),
    }
    by_factors = {effect.factors: effect for effect in effects(scores, IDLE)}
    means = {factors: effect.mean for factors, effect in by_factors.items()}
    assert means == pytest.approx({("A",): -6.25, ("B",): 0.25, ("A", "B"): -0.5})
    # After rows (50, 44, 50.5) and columns (47.5, 48.17, 48.83; of all 48.17) these are left:
    # -1/3 0 1/3; 1/6 1/2 -2/3; 1/6 -1/2 1/3. Their squares come to 2/9 + 13/18 + 7/18 = 4/3 on
    # 2 * 2 degrees of freedom: the variance is 1/3. The weights of A are 1, -1/2 and -1/2, those
    # of B +-1/2, and of both +-1: squares 3/2, 1/2 and 2, over 3 seeds. Three effects.
    limit = float(reference.t.ppf(1 - 0.05 / 6, 4))
    alike = {factors: effect.alike for factors, effect in by_factors.items()}
    reach = {
        factors: (interval.high - interval.low) / 2
        for factors, interval in alike.items()
        if interval
    }
    assert reach == pytest.approx(
        {
            ("A",): limit * (1 / 3 * 1.5 / 3) ** 0.5,
            ("B",): limit * (1 / 3 * 0.5 / 3) ** 0.5,
            ("A", "B"): limit * (1 / 3 * 2 / 3) ** 0.5,
        }
    )


def test_an_effect_between_the_same_networks_is_none_and_takes_no_part() -> None:
    # B changes nothing anywhere: its cells are the same on both sides.
    levels = {"base": cells("0-0", "0-2"), "off": cells("off-0", "off-2")}
    base, other = by_seed(31.70, 31.58, 32.13), by_seed(26.00, 29.50, 26.36)
    by_factors = {
        effect.factors: effect for effect in effects({"base": base, "off": other}, levels)
    }
    for factors in (("B",), ("A", "B")):
        robust = by_factors[factors].robust
        assert robust
        assert (by_factors[factors].mean, robust.low, robust.high) == (0, 0, 0)
    interval = reference.ttest_rel(list(other.values()), list(base.values())).confidence_interval()
    main = by_factors["A",].robust
    assert main
    assert (main.low, main.high) == pytest.approx((interval.low, interval.high))


def test_an_effect_without_spread_is_judged_by_all_variants_alone() -> None:
    # b is worth 1 at every seed; what a gives differs between them.
    scores = {
        "0": by_seed(50, 51, 52), "a": by_seed(40, 43, 42),
        "b": by_seed(51, 52, 53), "ab": by_seed(41, 44, 43),
    }  # fmt: skip
    levels = {"0": cells("0-0"), "a": cells("off-0"), "b": cells("0-2"), "ab": cells("off-2")}
    by_factors = {effect.factors: effect for effect in effects(scores, levels)}
    assert by_factors["B",].mean == pytest.approx(1)
    assert by_factors["B",].robust is None
    assert by_factors["B",].alike
    assert by_factors["A",].robust


def test_a_merged_variant_in_half_of_the_combinations() -> None:
    # 2^(3-1), C = AB: runs base, AC, BC, AB. B is idle where A is on: AB would be AC but for C.
    names = ("base", "ac", "bc", "ab")
    levels = {
        "base": [{"A": "baseline", "B": "baseline", "C": "baseline"}],
        "ac = ab": [
            {"A": "on", "B": "baseline", "C": "on"}, {"A": "on", "B": "on", "C": "baseline"},
        ],
        "bc": [{"A": "baseline", "B": "on", "C": "on"}],
    }  # fmt: skip
    means = dict(zip(names, (50.0, 40.0, 53.0, 40.0), strict=True))
    scores = {name: by_seed(*(means[name.split(" ")[0]] + step + at * step / 9 for step in (0, 1)))
              for at, name in enumerate(levels)}  # fmt: skip
    mean = {name: statistics.mean(mine.values()) for name, mine in scores.items()}
    base, both, bc = mean["base"], mean["ac = ab"], mean["bc"]
    by_factors = {
        effect.factors: effect.mean for effect in effects(scores, levels, interactions=False)
    }
    assert by_factors == pytest.approx(
        {
            ("A",): (both + both) / 2 - (base + bc) / 2,
            ("B",): (bc + both) / 2 - (base + both) / 2,
            ("C",): (both + bc) / 2 - (base + both) / 2,
        }
    )


def test_intervals_of_effects_hold_where_combinations_are_one() -> None:
    """A family of 5 % is what it says, and the idle factor's effect lies around 0."""
    rng = np.random.default_rng(8)
    truth = {"base": 50.0, "off": 44.0, "reduced": 50.0}
    expected = {("A",): -6.0, ("B",): 0.0, ("A", "B"): 0.0}
    missed = 0
    repeats = 2000
    for _ in range(repeats):
        seeds = rng.normal(0, 1.5, 3)
        scores = {name: by_seed(*map(float, mean + seeds + rng.normal(0, 0.7, 3)))
                  for name, mean in truth.items()}  # fmt: skip
        missed += any(
            not interval.low <= expected[effect.factors] <= interval.high
            for effect in effects(scores, IDLE)
            for interval in (effect.robust, effect.alike)
            if interval
        )
    assert missed / repeats < 0.06


def test_effects_by_the_seeds_that_all_share_and_over_planned_looks() -> None:
    levels = {"base": [{"se": "baseline"}], "off": [{"se": "off"}]}
    base, other = {0: 40.0, 1: 41.0, 2: 40.2, 3: 99.0}, {0: 35.0, 1: 35.5, 2: 35.9}
    (effect,) = effects({"base": base, "off": other}, levels)
    gains = [-5.0, -5.5, -4.3]  # of seeds 0 to 2: seed 3 is the reference's alone
    error = statistics.stdev(gains) / math.sqrt(3)
    assert effect.mean == pytest.approx(-14.8 / 3)
    assert effect.robust
    reach = float(reference.t.ppf(0.975, 2)) * error
    assert effect.robust.high - effect.mean == pytest.approx(reach)
    # Two looks of equal size have 0.0294 each (Pocock 1977), of the 5 %; ours spend a little less.
    (looked,) = effects({"base": base, "off": other}, levels, looks=Looks(3, 3, 6))
    assert looked.robust
    wide = (looked.robust.high - looked.mean) / error
    assert reference.t.ppf(1 - 0.0294 / 2, 2) < wide < reference.t.ppf(1 - 0.0294 * 0.85 / 2, 2)
