"""Dunnett's distribution: many treatments against one control (JASA 50, 1955), two-sided.

T_i = (sqrt(1 - r) Z_i - sqrt(r) Z_0) / S with independent normal Z and S^2 = chi^2 / df: the
largest |T_i| of `count` comparisons, each two correlated by r, which is 1/2 where the reference
has as many seeds as the variants. Integrated over Z_0 and S by fixed quadrature, so that the same
question has the same answer to the last digit; `scipy.stats.dunnett` draws random numbers.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from scipy.special import gammaincinv, ndtr, stdtr

from fuseablate.stats.deltas import LEVEL
from fuseablate.stats.roots import crossing

NODES = 96


@functools.cache
def _rules() -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Return the nodes and weights of Gauss and Hermite, and of Gauss and Legendre."""
    hermite = np.polynomial.hermite_e.hermegauss(NODES)
    return hermite, np.polynomial.legendre.leggauss(NODES)


@functools.cache
def spread_nodes(df: int) -> tuple[Any, Any]:
    """Return nodes of S, whose square is chi^2 / df, and the weight of each."""
    _, (u, weight) = _rules()
    return np.sqrt(2 * gammaincinv(df / 2, (u + 1) / 2) / df), weight / 2


@functools.cache
def _nodes(df: int) -> tuple[Any, Any, Any]:
    """Return nodes of Z_0 (a column) and of S (a row), and the weight of each pair."""
    (z, weight_z), _ = _rules()
    s, weight_s = spread_nodes(df)
    return z[:, None], s[None, :], np.outer(weight_z / math.sqrt(2 * math.pi), weight_s)


def probability(t: float, count: int, df: int, correlation: float = 0.5) -> float:
    """Return the probability that the largest of `count` |T| exceeds `t` where nothing differs."""
    if count == 1:
        return float(2 * stdtr(df, -abs(t)))  # Student's t
    z, s, weights = _nodes(df)
    reach = abs(t) * s / math.sqrt(1 - correlation)
    shift = z * math.sqrt(correlation / (1 - correlation))
    inside = (ndtr(shift + reach) - ndtr(shift - reach)) ** count
    return min(1.0, max(0.0, 1.0 - float((weights * inside).sum())))


@functools.cache
def critical(count: int, df: int, level: float = LEVEL, correlation: float = 0.5) -> float:
    """Return the t that the largest of `count` |T| exceeds with probability `level`."""
    beyond = functools.partial(probability, count=count, df=df, correlation=correlation)
    return crossing(lambda t: beyond(t) - level, high=4.0)
