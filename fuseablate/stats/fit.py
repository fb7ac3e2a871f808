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
    """Return the fit of scores (V, S); None where seeds as blocks would cost too much.

    By the normal equations of seed + variant, the variants' means taken out first. What remains
    are S equations for the effects of the seeds, to which each variant adds its own part; so all
    that is wanted of one variant (its share of a variance, its squares) can be read off that part.
    """
    weight = there.astype(float)
    counts = weight.sum(1)
    means = values.sum(1) / counts
    deviations = weight * (values - means[:, None])
    size = values.shape[1]
    # What each variant tells of the seeds (V, S, S): the matrix that centres its own seeds.
    parts = np.zeros((len(counts), size, size))
    parts[:, range(size), range(size)] = weight
    parts -= weight[:, :, None] * weight[:, None, :] / counts[:, None, None]
    total = parts.sum(0)
    # Singular: what all seeds have in common is the variants' means. Zero where seeds are no
    # blocks, so that their effects are.
    inverse = np.linalg.pinv(total, hermitian=True) if blocked else np.zeros_like(total)
    # Which seeds one side of a difference lacks: their effects are to be taken out of it.
    lacking = weight[1:] / counts[1:, None] - weight[0] / counts[0]
    if not blocked:
        lacking = np.zeros_like(lacking)
    solved = lacking @ inverse  # (K, S)
    unblocked = 1 / counts[1:] + 1 / counts[0]  # the variance of a difference of two means
    if blocked:
        cost = np.einsum("ks,st,kt->k", solved, total, solved)
        # Variants that no chain of shared seeds links to the reference cannot be compared so.
        linked = np.allclose(solved @ total, lacking, atol=1e-9)
        if not linked or (unblocked < SHARED * (unblocked + cost)).any():
            return None
    effects = inverse @ deviations.sum(0)
    residuals = deviations - weight * effects + weight * ((weight @ effects) / counts)[:, None]
    hats = inverse @ parts  # (V, S, S): what each variant's scores add to the seeds' effects
    rank = round(float(np.trace(hats.sum(0))))
    df = int(counts.sum()) - len(counts) - rank
    if df < 1:
        return None
    shares = np.einsum("ks,vst,kt->kv", solved, parts, solved)
    shares[:, 0] += 1 / counts[0]
    shares[range(len(unblocked)), range(1, len(counts))] += 1 / counts[1:]
    # Two differences share the reference, and the effects of the seeds.
    covariances = solved @ total @ solved.T + 1 / counts[0]
    sizes = np.sqrt(shares.sum(1))
    correlations = covariances / np.outer(sizes, sizes)
    np.fill_diagonal(correlations, 1.0)
    return Fit(
        blocked=blocked,
        differences=means[1:] - means[0] - lacking @ effects,
        shares=shares,
        correlation=float(max(0.0, correlations.min())) if len(unblocked) > 1 else 0.5,
        pooled=float((residuals**2).sum()) / df,
        df=df,
        own=None if blocked and len(counts) == 2 else _own(residuals, hats, counts),
        counts=counts.astype(int),
    )


def _own(residuals: np.ndarray, hats: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return unbiased variances, of complete blocks those of Grubbs (JASA 43, 1948).

    The squares that each variant leaves over are on average a sum over the variances of all: its
    own, but for what the seeds' effects took of it, and what those effects brought in of the
    others'. `adds` are the weights of that sum, and the variances solve it.
    """
    adds = np.einsum("ist,kts->ik", hats, hats)
    traces = np.trace(hats, axis1=1, axis2=2)
    adds[range(len(counts)), range(len(counts))] += counts - 1 - 2 * traces
    own: np.ndarray = np.linalg.lstsq(adds, (residuals**2).sum(1), rcond=None)[0]
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
