"""Scores of variants by seed, fitted: differences to the reference and what they vary by.

Variants trained with one seed saw the same batches, so seeds are blocks: the model is
seed + variant, by least squares, and a seed that some variant lacks takes no other's pairing away.
Where treating seeds as blocks would cost much (variants share few seeds with the reference, or it
has many of its own), seeds are draws like any other and the model is variant alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

Scores = Mapping[str, Mapping[int, float]]  # of a variant, by seed
DIFFERS = 0.01  # the level of the test for unequal variances
ROUNDING = 1e-9  # a spread below it, in points, is that of floating point
SHARED = 0.75  # the least of a difference's precision that blocks may leave, seeds adding none


@dataclass(frozen=True)
class Fit:
    """Of V variants, the reference first, K = V - 1 differences; the unit is that of the scores."""

    blocked: bool
    """Whether seeds are blocks."""
    differences: np.ndarray
    """(K,)"""
    shares: np.ndarray
    """(K, V): the variance of a difference is their sum weighted by the variants' variances."""
    correlation: float
    """The smallest of two differences where all variances are equal; 1/2 of one alone."""
    pooled: float
    """The variance of a run where all are equal."""
    df: int
    """Its degrees of freedom."""
    own: np.ndarray | None
    """(V,): each variant's variance, unbiased, and so now and then negative; None of two variants
    in blocks, whose single difference tells `pooled` alone."""
    counts: np.ndarray
    """(V,): seeds."""


def fit(scores: Scores, reference: str) -> Fit:
    """Fit scores of at least two variants with at least two seeds each."""
    names = [reference, *(name for name in scores if name != reference)]
    seeds = sorted({seed for name in names for seed in scores[name]})
    values = np.array([[scores[name].get(seed, np.nan) for seed in seeds] for name in names])
    there = ~np.isnan(values)
    blocks = _fit(np.where(there, values, 0.0), there, blocked=True)
    if blocks and len(seeds) > 1:
        return blocks
    plain = _fit(np.where(there, values, 0.0), there, blocked=False)
    assert plain
    return plain


def _fit(values: np.ndarray, there: np.ndarray, *, blocked: bool) -> Fit | None:
    """Return the fit; None where seeds as blocks would cost too much.

    With the variants' means taken out, `each` (V, S, S) is what each variant tells of the seeds
    and `inverse` solves for their effects; it is zero where seeds are no blocks.
    """
    weight = there.astype(float)
    counts = weight.sum(1)
    means = values.sum(1) / counts
    left = weight * (values - means[:, None])
    size = values.shape[1]
    tells = np.zeros((len(counts), size, size))
    tells[:, range(size), range(size)] = weight
    tells -= weight[:, :, None] * weight[:, None, :] / counts[:, None, None]
    total = tells.sum(0)
    inverse = np.linalg.pinv(total, hermitian=True) if blocked else np.zeros_like(total)
    apart = weight[1:] / counts[1:, None] - weight[0] / counts[0]  # which seeds a difference lacks
    if not blocked:
        apart = np.zeros_like(apart)
    solved = apart @ inverse  # (K, S)
    plain = 1 / counts[1:] + 1 / counts[0]
    if blocked:
        cost = np.einsum("ks,st,kt->k", solved, total, solved)
        linked = np.allclose(solved @ total, apart, atol=1e-9)
        if not linked or (plain < SHARED * (plain + cost)).any():
            return None
    effects = inverse @ left.sum(0)
    rest = left - weight * effects + weight * ((weight @ effects) / counts)[:, None]
    told = inverse @ tells  # (V, S, S)
    rank = round(float(np.trace(told.sum(0))))
    df = int(counts.sum()) - len(counts) - rank
    if df < 1:
        return None
    shares = np.einsum("ks,vst,kt->kv", solved, tells, solved)
    shares[:, 0] += 1 / counts[0]
    shares[range(len(plain)), range(1, len(counts))] += 1 / counts[1:]
    crossed = solved @ total @ solved.T + 1 / counts[0]
    sizes = np.sqrt(shares.sum(1))
    crossed = crossed / np.outer(sizes, sizes)
    np.fill_diagonal(crossed, 1.0)
    return Fit(
        blocked=blocked,
        differences=means[1:] - means[0] - apart @ effects,
        shares=shares,
        correlation=float(max(0.0, crossed.min())) if len(plain) > 1 else 0.5,
        pooled=float((rest**2).sum()) / df,
        df=df,
        own=None if blocked and len(counts) == 2 else _own(rest, told, counts),
        counts=counts.astype(int),
    )


def _own(rest: np.ndarray, told: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return unbiased variances: the squares left over, with what each variance adds to each.

    Of complete blocks they are those of Grubbs (JASA 43, 1948).
    """
    adds = np.einsum("ist,kts->ik", told, told)
    traces = np.trace(told, axis1=1, axis2=2)
    adds[range(len(counts)), range(len(counts))] += counts - 1 - 2 * traces
    own: np.ndarray = np.linalg.lstsq(adds, (rest**2).sum(1), rcond=None)[0]
    return own


def spreads_differ(table: Scores) -> bool:
    """Test the scores of each variant for unequal variances, by Bartlett's statistic.

    Seeds that add the same to all variants make the test the more cautious.
    """
    variances = np.array([np.var(list(mine.values()), ddof=1) for mine in table.values()])
    if variances.min() <= ROUNDING**2:
        return bool(variances.max() > ROUNDING**2)
    df = np.array([len(mine) - 1 for mine in table.values()])
    pooled = (df * variances).sum() / df.sum()
    statistic = df.sum() * math.log(pooled) - (df * np.log(variances)).sum()
    statistic /= 1 + ((1 / df).sum() - 1 / df.sum()) / (3 * (len(df) - 1))
    return bool(chdtrc(len(df) - 1, statistic) < DIFFERS)
