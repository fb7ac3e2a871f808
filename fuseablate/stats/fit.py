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
# The least of a difference's precision that blocks may leave, seeds adding none.
SHARED_PRECISION = 0.75


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


def blocks_keep(seeds: int, reference: int) -> bool:
    """Return whether seeds are blocks where the reference has the seeds of each variant, and more.

    Those that it has alone then tell nothing.
    """
    return 1 / seeds + 1 / reference >= (SHARED_PRECISION - ROUNDING) * 2 / seeds


def _fit(values: np.ndarray, there: np.ndarray, *, blocked: bool) -> Fit | None:
    """Return the fit of scores (V, S); None where seeds as blocks would cost too much.

    By the normal equations of seed + variant, the variants' means taken out first. What remains
    are S equations for the effects of the seeds, to which each variant adds its own part; so all
    that is wanted of one variant (its share of a variance, its squares) can be read off that part.

    Seeds that the same variants have are alike in these equations, whose inverse has one entry for
    all pairs of a group's seeds and one more on the diagonal. So what is inverted is a matrix of G
    groups, mostly one or two, however many seeds there are.
    """
    weight = there.astype(float)
    counts = weight.sum(1)
    means = values.sum(1) / counts
    deviations = weight * (values - means[:, None])
    groups = _Groups(weight) if blocked else None
    # Which seeds one side of a difference lacks: their effects are to be taken out of it.
    lacking = weight[1:] / counts[1:, None] - weight[0] / counts[0]
    if groups is None:  # seeds have no effects
        lacking = np.zeros_like(lacking)
    solved = groups.solve(lacking) if groups else lacking  # (K, S)
    unblocked = 1 / counts[1:] + 1 / counts[0]  # the variance of a difference of two means
    if groups:
        explained = groups.times(solved)
        cost = (explained * solved).sum(1)
        # Variants that no chain of shared seeds links to the reference cannot be compared so.
        linked = np.allclose(explained, lacking, atol=1e-9)
        if not linked or (unblocked < (SHARED_PRECISION - ROUNDING) * (unblocked + cost)).any():
            return None
    effects = groups.solve(deviations.sum(0)) if groups else np.zeros(values.shape[1])
    residuals = deviations - weight * effects + weight * ((weight @ effects) / counts)[:, None]
    # How much of each variant's scores goes into the seeds' effects.
    traces, crossed = groups.hats() if groups else (0 * counts, np.zeros((len(counts),) * 2))
    rank = round(float(traces.sum()))
    df = int(counts.sum()) - len(counts) - rank
    if df < 1:
        return None
    # Of a variant's part, the matrix that centres its own seeds, on both sides of `solved`.
    shares = solved**2 @ weight.T - (solved @ weight.T) ** 2 / counts
    shares[:, 0] += 1 / counts[0]
    shares[range(len(unblocked)), range(1, len(counts))] += 1 / counts[1:]
    # Two differences share the reference, and the effects of the seeds.
    covariances = 1 / counts[0] + (solved @ groups.times(solved).T if groups else 0 * shares[:, 1:])
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
        own=None if blocked and len(counts) == 2 else _own(residuals, traces, crossed, counts),
        counts=counts.astype(int),
    )


class _Groups:
    """The equations of the seeds' effects, T e = r, by groups of seeds that the same variants have.

    Variant v, with the seeds w_v (0 or 1) and n_v of them, adds P_v = diag(w_v) - w_v w_v' / n_v
    to T. Below, `inverse` is T's pseudoinverse: 1 / (variants that have it) on a seed's diagonal,
    plus `between` of its group and the other seed's.
    """

    def __init__(self, weight: np.ndarray) -> None:
        """`weight` is 1 where a variant (V) has a seed (S), else 0."""
        patterns, of, sizes = np.unique(weight, axis=1, return_inverse=True, return_counts=True)
        self._weight, self._counts = weight, weight.sum(1)
        self._patterns, self._of, self._sizes = patterns, of.reshape(-1), sizes
        self._variants = patterns.sum(0)  # (G,): that have the seeds of a group
        # T on vectors that are the same within each group, by its orthonormal basis.
        basis = patterns * np.sqrt(sizes)
        reduced = np.diag(self._variants) - basis.T @ (basis / self._counts[:, None])
        # Singular: what all seeds have in common is the variants' means.
        eigenvalues, vectors = np.linalg.eigh(reduced)
        kept = eigenvalues > ROUNDING * self._variants.max()
        inverse = (vectors[:, kept] / eigenvalues[kept]) @ vectors[:, kept].T
        root = np.sqrt(sizes)
        self._between = inverse / np.outer(root, root) - np.diag(1 / (self._variants * sizes))

    def times(self, rows: np.ndarray) -> np.ndarray:
        """Return T times each row."""
        product: np.ndarray = rows * self._variants[self._of]
        product -= (rows @ self._weight.T / self._counts) @ self._weight
        return product

    def solve(self, rows: np.ndarray) -> np.ndarray:
        """Return T's pseudoinverse times each row."""
        sums = np.zeros((*rows.shape[:-1], len(self._sizes)))
        for group in range(len(self._sizes)):
            sums[..., group] = rows[..., self._of == group].sum(-1)
        solved: np.ndarray = rows / self._variants[self._of] + (sums @ self._between)[..., self._of]
        return solved

    def hats(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the traces of H_v and of H_v H_u for all pairs, where H_v is the inverse x P_v.

        They are (V,) and (V, V).
        """
        patterns, sizes, between, counts = self._patterns, self._sizes, self._between, self._counts
        diagonal = 1 / self._variants
        mine = patterns * sizes  # (V, G): how many seeds of each group a variant has
        # The inverse times w_u, the same for all seeds of a group: (G, V).
        solved = (patterns * diagonal).T + between @ mine.T
        means = mine @ solved  # w_v' inverse w_u
        own = diagonal + np.diag(between)
        traces = mine @ own - np.diag(means) / counts
        squares = mine @ between**2 @ mine.T
        squares += (mine * (diagonal**2 + 2 * diagonal * np.diag(between))) @ patterns.T
        lost = mine @ solved**2 / counts
        return traces, squares - lost - lost.T + means**2 / np.outer(counts, counts)


def _own(
    residuals: np.ndarray, traces: np.ndarray, crossed: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """Return unbiased variances, of complete blocks those of Grubbs (JASA 43, 1948).

    The squares that each variant leaves over are on average a sum over the variances of all: its
    own, but for what the seeds' effects took of it, and what those effects brought in of the
    others'. `adds` are the weights of that sum, and the variances solve it.
    """
    adds = crossed + np.diag(counts - 1 - 2 * traces)
    own: np.ndarray = np.linalg.lstsq(adds, (residuals**2).sum(1), rcond=ROUNDING)[0]
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
