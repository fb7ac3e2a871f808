"""Rank correlation: whether what is small in one is small in the other, with an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from scipy.special import ndtri

LEAST_RANKED = 5  # pairs from which there is an interval


class RankCorrelation(NamedTuple):
    value: float
    """Spearman's: 1 where the ranks are the same, -1 where they are reversed."""
    low: float | None
    """Of the 95 % interval, for other pairs drawn as these were; None below `LEAST_RANKED`, and
    where the ranks agree without exception, which shows no error to make one of."""
    high: float | None


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> RankCorrelation | None:
    """Return Spearman's rank correlation of pairs; None where one of both never changes.

    Equal values share the mean of their ranks. The interval is Fisher's, with the error of Bonett
    and Wright (Psychometrika, 2000): sqrt((1 + r^2 / 2) / (n - 3)).
    """
    x, y = _centred_ranks(first), _centred_ranks(second)
    spread = math.sqrt(sum(a * a for a in x) * sum(b * b for b in y))
    if not spread:
        return None
    value = max(-1.0, min(1.0, sum(a * b for a, b in zip(x, y, strict=True)) / spread))
    if len(x) < LEAST_RANKED or abs(value) == 1:
        return RankCorrelation(value, None, None)
    reach = float(ndtri(0.975)) * math.sqrt((1 + value**2 / 2) / (len(x) - 3))
    middle = math.atanh(value)
    return RankCorrelation(value, math.tanh(middle - reach), math.tanh(middle + reach))


def _centred_ranks(values: Sequence[float]) -> list[float]:
    """Return each value's rank less the mean of all."""
    below = [sum(other < value for other in values) for value in values]
    equal = [sum(other == value for other in values) for value in values]
    middle = (len(values) - 1) / 2
    return [low + (same - 1) / 2 - middle for low, same in zip(below, equal, strict=True)]
