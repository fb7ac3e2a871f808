"""Rank correlation, against scipy and by hand."""

from __future__ import annotations

import pytest
from scipy.stats import spearmanr

from fuseablate.stats import rank_correlation


def test_the_value_is_scipys_with_ties() -> None:
    first = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3]
    second = [2, 7, 1, 8, 2, 8, 1, 8, 2, 8]
    correlation = rank_correlation(first, second)
    assert correlation
    assert correlation.value == pytest.approx(spearmanr(first, second).statistic)


def test_the_interval_by_hand() -> None:
    # Of ten ranks with squared differences of 82 in all r = 1 - 6 * 82 / 990 = 0.50303, of which
    # z = 0.5534; the error is sqrt((1 + 0.12652) / 7) = 0.40117, and the interval reaches 0.78627.
    second = [1, 3, 7, 5, 6, 2, 10, 9, 8, 4]
    assert sum((a - b) ** 2 for a, b in enumerate(second, start=1)) == 82
    correlation = rank_correlation(range(10), second)
    assert correlation
    assert correlation.value == pytest.approx(0.50303, abs=1e-5)
    assert correlation.low == pytest.approx(-0.2287, abs=1e-3)
    assert correlation.high == pytest.approx(0.8717, abs=1e-3)


def test_few_pairs_have_no_interval_and_equal_values_no_rank() -> None:
    assert rank_correlation([1, 2, 3, 4], [1, 2, 3, 4]) == (1, None, None)
    # Of five normal pairs correlated by 0.9, one sample in five agrees without exception:
    # an interval of no width would hold far less often than it says.
    assert rank_correlation([1, 2, 3, 4, 5], [5, 4, 3, 2, 1]) == (-1, None, None)
    assert rank_correlation([1, 1, 1], [1, 2, 3]) is None
