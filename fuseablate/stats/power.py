"""Power: what a study could have seen, and how many seeds a difference needs that matters.

There is no "observed power" here: the question is put about a difference that the reader names,
never about the one that was observed. What is planned is a study with as many seeds of each
variant as of the reference; what a study could have seen is by the seeds that its reference has.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.special import chdtri, ndtr

from fuseablate.stats import dunnett, spreads
from fuseablate.stats.deltas import Analysis, Basis
from fuseablate.stats.fit import blocks_keep
from fuseablate.stats.roots import crossing

POWER = 0.8
SPREAD = 0.8  # the confidence of the interval of the standard deviation behind a range of seeds
MOST_SEEDS = 1000  # seeds; beyond it nobody asks
VARIANCE_DRAWS = 2000  # of the variances that a study may find, fewer where there are many variants


def smallest(analysis: Analysis, basis: Basis) -> float | None:
    """Return the smallest true difference that this study sees in 80 of 100 repetitions.

    Of robust intervals it is that of the variant where it is the largest. None where there is no
    standard deviation, or none to speak of, or no interval of that basis.
    """
    power = _power_of(analysis, basis)
    if not power:
        return None
    return crossing(lambda size: power(size, analysis.seeds, analysis.base) - POWER)


def seeds_needed(analysis: Analysis, difference: float, basis: Basis) -> tuple[int, int] | None:
    """Return from how many to how many seeds of each would see `difference` with 80 % power.

    The range is that of the standard deviation's 80 % confidence interval. None where there is
    no standard deviation, or no difference; at most `MOST_SEEDS`.
    """
    if not _power_of(analysis, basis) or not analysis.df or difference == 0:
        return None
    tail = (1 - SPREAD) / 2
    needed = []
    for share in (tail, 1 - tail):
        scale = math.sqrt(analysis.df / float(chdtri(analysis.df, share)))
        power = _power_of(_scaled(analysis, scale), basis)
        assert power
        needed.append(_fewest(power, abs(difference)))
    return needed[0], needed[1]


def _scaled(analysis: Analysis, by: float) -> Analysis:
    own = {name: by * sd for name, sd in (analysis.own or {}).items()}
    return replace(analysis, sd=by * (analysis.sd or 0.0), own=own)


Power = Callable[[float, int, int], float]  # of a difference, by seeds: of each, the reference


def _power_of(analysis: Analysis, basis: Basis) -> Power | None:
    """Return the power of the basis's intervals; None where there are none."""
    if not analysis.own:
        return None
    if basis == "any spreads":
        return _robust(analysis)
    return _alike(analysis) if analysis.alike else None


def _alike(analysis: Analysis) -> Power:
    sd, count = analysis.sd or 0.0, analysis.comparisons

    def power(size: float, seeds: int, base: int) -> float:
        if analysis.blocked:  # seeds that the reference has alone tell nothing
            base, df = seeds, count * (seeds - 1)
        else:
            df = count * (seeds - 1) + base - 1
        limit = dunnett.critical(count, df, analysis.level, seeds / (seeds + base))
        return _beyond(size / (sd * math.sqrt(1 / seeds + 1 / base)), limit, df)

    return power


def _beyond(shift: float, limit: float, df: int) -> float:
    """Return the chance of |t| > limit for a true difference of `shift` standard errors.

    By quadrature: scipy's noncentral t gives up, or errs, at few degrees of freedom.
    """
    s, weights = dunnett.spread_nodes(df)
    return float((weights * (ndtr(shift - limit * s) + ndtr(-shift - limit * s))).sum())


def _robust(analysis: Analysis) -> Power:
    """Return the power where it is least: of the variant with the largest variance.

    Given the variances that a study finds, a difference is normal; these are drawn from a fixed
    stream, and the normal's chances are averaged over them.
    """
    variances = np.array(list((analysis.own or {}).values())) ** 2
    pair = len(variances) == 2
    least = 1 + int(variances[1:].argmax())
    draws = min(VARIANCE_DRAWS, max(200, 20 * VARIANCE_DRAWS // len(variances)))

    def power(size: float, seeds: int, base: int) -> float:
        base = seeds if analysis.blocked else base
        if pair and analysis.blocked:
            error = math.sqrt(2 / seeds) * (analysis.sd or 0.0)
            limit = spreads.critical(1, seeds, seeds, analysis.level / analysis.comparisons)
            return _beyond(size / error, limit, seeds - 1)
        random = np.random.default_rng(0)
        df = np.array([base - 1, *[seeds - 1] * (len(variances) - 1)])
        drawn = variances * random.chisquare(df, (draws, len(variances))) / df
        if pair:
            limit = spreads.critical(1, seeds, base, analysis.level / analysis.comparisons)
        else:
            limit = spreads.critical(analysis.comparisons, seeds, base, analysis.level)
            drawn = spreads.floored(drawn)
        variance = drawn[:, 0] / base + drawn[:, least] / seeds
        reach = limit * np.sqrt(variance)
        error = math.sqrt(variances[0] / base + variances[least] / seeds)
        return float((ndtr((size - reach) / error) + ndtr((-size - reach) / error)).mean())

    return power


def _fewest(power: Power, difference: float) -> int:
    def enough(seeds: int) -> bool:
        return power(difference, seeds, seeds) >= POWER

    if enough(2):
        return 2
    low, high = 2, 4
    while not enough(high):
        if high >= MOST_SEEDS:
            return MOST_SEEDS
        low, high = high, min(2 * high, MOST_SEEDS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def best_reference(seeds: int, comparisons: int) -> int:
    """Return the seeds of the reference that make a study's intervals narrowest for its runs.

    The square root of the number of comparisons times those of each variant (Dunnett 1955), to
    the next whole number; as many as each has where more would tell nothing.
    """
    best = max(seeds, round(seeds * math.sqrt(comparisons)))
    return seeds if blocks_keep(seeds, best) else best


def least_reference(seeds: int) -> int:
    """Return the fewest seeds of the reference that tell more than those of each variant do."""
    return next(most for most in itertools.count(seeds) if not blocks_keep(seeds, most))


def narrowed(seeds: int, reference: int) -> float:
    """Return by what factor the reference's seeds change the interval of every difference.

    Of the normal half-width, at one standard deviation: sqrt(1/n + 1/m) against sqrt(2/n).
    """
    if blocks_keep(seeds, reference):
        return 1.0
    return math.sqrt((1 / seeds + 1 / reference) / (2 / seeds))
