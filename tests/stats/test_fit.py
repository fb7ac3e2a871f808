"""Scores in blocks of seeds, against textbooks' formulas and plain least squares."""

from __future__ import annotations

import numpy as np
import pytest

from fuseablate.stats.fit import fit


def test_thousands_of_seeds_are_fitted_as_three_are() -> None:
    """Of three variants in complete blocks Grubbs' variances are covariances of differences."""
    rng = np.random.default_rng(0)
    blocks = rng.normal(60, 2, 4000)
    a, b, c = (blocks + rng.normal(0, sd, 4000) for sd in (0.3, 1.0, 2.0))
    fitted = fit({name: dict(enumerate(x)) for name, x in zip("abc", (a, b, c), strict=True)}, "a")
    assert fitted.blocked
    assert fitted.df == 2 * 3999
    assert fitted.differences == pytest.approx([np.mean(b - a), np.mean(c - a)])
    assert fitted.own == pytest.approx([
        np.cov(a - b, a - c)[0, 1], np.cov(b - a, b - c)[0, 1], np.cov(c - a, c - b)[0, 1],
    ])  # fmt: skip


def test_blocks_with_gaps_are_those_of_least_squares() -> None:
    """Six variants and eleven seeds: what rounding leaves of the equations' zero is no number."""
    rng = np.random.default_rng(1)
    gaps = {(2, 1), (2, 4), (2, 8), (4, 5), (5, 8)}
    there = [(v, s) for v in range(6) for s in range(11) if (v, s) not in gaps]
    values = rng.normal(60, 1, len(there))
    scores: dict[str, dict[int, float]] = {str(v): {} for v in range(6)}
    for (v, s), value in zip(there, values, strict=True):
        scores[str(v)][s] = value
    fitted = fit(scores, "0")
    model = np.array([[*(u == v for u in range(1, 6)), *(t == s for t in range(11))]
                      for v, s in there], float)  # fmt: skip
    solution, squares, rank, _ = np.linalg.lstsq(model, values, rcond=None)
    assert fitted.blocked
    assert fitted.differences == pytest.approx(solution[:5])
    assert fitted.df == len(there) - rank
    assert fitted.pooled == pytest.approx(squares[0] / fitted.df)
    errors = np.linalg.inv(model.T @ model).diagonal()[:5]
    assert fitted.shares.sum(1) == pytest.approx(errors)
