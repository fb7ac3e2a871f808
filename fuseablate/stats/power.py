"""Power, from the pooled standard deviation: what a study could have seen, and what it would need.

There is no "observed power" here: the question is put about a difference that the reader names.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy.special import chdtri, nctdtr, stdtrit

from fuseablate.stats import dunnett
from fuseablate.stats.analysis import LEVEL, Analysis

POWER = 0.8
SPREAD = 0.8  # the confidence of the interval of the standard deviation behind a range of seeds
MOST = 1000  # seeds; beyond it nobody asks


def smallest(analysis: Analysis) -> float | None:
    """Return the smallest true difference that this study sees in 80 of 100 repetitions.

    None where there is no standard deviation, or none to speak of.
    """
    if not analysis.sd or analysis.df is None:
        return None
    error = analysis.sd * math.sqrt(2 / analysis.seeds)
    limit = _limit(analysis, analysis.df)
    return error * _solved(lambda shift: _power(shift, limit, analysis.df or 1))


def seeds_needed(analysis: Analysis, difference: float) -> tuple[int, int] | None:
    """Return from how many to how many seeds would see `difference` with 80 % power.

    The range is that of the standard deviation's 80 % confidence interval. None where there is
    no standard deviation, or no difference; at most `MOST`.
    """
    sd, df = analysis.sd, analysis.df
    if not sd or df is None or difference == 0:
        return None
    tail = (1 - SPREAD) / 2
    bounds = [sd * math.sqrt(df / float(chdtri(df, share))) for share in (tail, 1 - tail)]
    low, high = (_seeds(analysis, bound, abs(difference)) for bound in bounds)
    return low, high


def _seeds(analysis: Analysis, sd: float, difference: float) -> int:
    def enough(n: int) -> bool:
        df = _df(analysis, n)
        return _power(difference / (sd * math.sqrt(2 / n)), _limit(analysis, df), df) >= POWER

    if enough(2):
        return 2
    low, high = 2, 4
    while not enough(high):
        if high >= MOST:
            return MOST
        low, high = high, min(2 * high, MOST)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _df(analysis: Analysis, n: int) -> int:
    if analysis.method == "dunnett":
        return analysis.comparisons * (n - 1)
    return 2 * (n - 1)  # Welch's, of two samples of one variance


def _limit(analysis: Analysis, df: int) -> float:
    """Return how many standard errors a difference must have."""
    if analysis.method == "dunnett":
        return dunnett.critical(analysis.comparisons, df)
    return -float(stdtrit(df, LEVEL / (2 * analysis.comparisons)))


def _power(shift: float, limit: float, df: int) -> float:
    """Return the chance of |t| > limit for a true difference of `shift` standard errors."""
    power = float(1 - nctdtr(df, shift, limit) + nctdtr(df, shift, -limit))
    return 1.0 if math.isnan(power) else power  # scipy gives up where a shift is enormous


def _solved(power: Callable[[float], float]) -> float:
    low, high = 0.0, 1.0
    while power(high) < POWER:
        high *= 2
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if power(middle) < POWER else (low, middle)
    return high
