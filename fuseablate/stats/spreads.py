"""Simultaneous intervals that hold whatever the spreads of the variants are.

Each variant keeps its own variance. At 2 to 5 seeds an estimate of it is now and then far too
small, and guarding against that alone (Bonferroni over paired t) costs nearly all power. But not
all variants can have more than their share of spread: where one is estimated to have less than
half of the mean variance, half of the mean is taken. What is left to guard against is a few
variants, or the reference, with most of the spread. The critical values are those of the least
favourable spreads, by simulation; they grow slowly with the number of comparisons, because few
variants can have most of the spread at once. `reports/statistics` has the simulations: that of
the table beside this file, and that of what it holds and sees.

One comparison is Student's t with the degrees of freedom of the variant or the reference that has
fewer seeds: paired it is exact, and unpaired it holds whatever the spreads (Hsu, 1938).
"""

from __future__ import annotations

import csv
import functools
import math
from pathlib import Path

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

from fuseablate.stats import dunnett
from fuseablate.stats.deltas import LEVEL

FLOOR = 0.5  # of the mean variance
TABLE = Path(__file__).with_name("spreads.csv")


def floored(variances: np.ndarray) -> np.ndarray:
    """Return the variances (..., variants), none below `FLOOR` of their mean."""
    floors = FLOOR * variances.mean(-1, keepdims=True)
    raised: np.ndarray = np.maximum(variances, floors)
    return raised


def critical(count: int, seeds: int, reference: int, level: float = LEVEL) -> float:
    """Return the |t| that the largest of `count` exceeds with probability `level` at most.

    seeds: of the variant; reference: of the reference. level: from 0.001 to 0.5.
    """
    fewer = min(seeds, reference)
    if count == 1:
        return -float(stdtrit(fewer - 1, level / 2))
    levels, values = _curve(count, fewer)
    limit = float(np.exp(np.interp(math.log(level), np.log(levels), np.log(values))))
    return limit * _apart(count, seeds, reference)


def probability(t: float, count: int, seeds: int, reference: int) -> float:
    """Return the level whose critical value is |t|, from 0.001 to 1."""
    if count == 1:
        return float(2 * stdtr(min(seeds, reference) - 1, -abs(t)))
    t /= _apart(count, seeds, reference)
    levels, values = _curve(count, min(seeds, reference))
    if abs(t) < values[-1]:
        return float(1 - (1 - levels[-1]) * abs(t) / values[-1])
    return float(np.exp(np.interp(math.log(abs(t)), np.log(values[::-1]), np.log(levels[::-1]))))


@functools.cache
def _apart(count: int, seeds: int, reference: int) -> float:
    """Return by how much a reference with more seeds than the variant raises the critical value.

    The less the reference's own error counts, the less alike the comparisons are, and the more
    often one of them is large. By Dunnett's t for that correlation, and a little more, which
    simulation asks for where the reference is all but known.
    """
    correlation = seeds / (seeds + reference)
    if correlation >= 0.5:
        return 1.0
    ratio = dunnett.critical(count, seeds - 1, LEVEL, correlation) / dunnett.critical(
        count, seeds - 1, LEVEL
    )
    return ratio * (1 + 0.05 * (1 - 2 * correlation) ** 2)


@functools.cache
def _curve(count: int, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """Return levels, rising, and their critical values, between those of the table.

    Straight lines of the logarithms over 1 / (seeds - 1), from infinitely many seeds on, where
    the comparisons are at worst independent and normal, and over the logarithm of the count.
    """
    levels, counts, sizes, table = _table()
    at = np.log(counts)
    by_size = np.array([_line(math.log(count), at, rows) for rows in table])  # (sizes, levels)
    endless = -ndtri((1 - (1 - levels) ** (1 / count)) / 2)
    inverse = np.array([0.0, *(1 / (sizes[::-1] - 1))])
    rows = np.log(np.vstack([endless, by_size[::-1]]))
    return levels, np.exp(_line(1 / (seeds - 1), inverse, rows))


def _line(x: float, at: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the row at x on straight lines between rows; beyond the last its line goes on."""
    right = int(np.clip(np.searchsorted(at, x), 1, len(at) - 1))
    share = (x - at[right - 1]) / (at[right] - at[right - 1])
    row: np.ndarray = rows[right - 1] + share * (rows[right] - rows[right - 1])
    return row


@functools.cache
def _table() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return levels, rising; counts; seeds; and critical values (seeds, counts, levels)."""
    with TABLE.open(newline="") as file:
        head, *lines = csv.reader(file)
    levels = np.array([float(level) for level in head[2:]])
    rows = {(int(n), int(m)): np.array([float(v) for v in values]) for n, m, *values in lines}
    sizes, counts = sorted({n for n, _ in rows}), sorted({m for _, m in rows})
    table = np.array([[rows[n, m][::-1] for m in counts] for n in sizes])
    return levels[::-1], np.array(counts), np.array(sizes, dtype=float), table
