"""Where a function that rises or falls crosses zero: critical values and powers are such places."""

from __future__ import annotations

from collections.abc import Callable

EXACT = 1e-13  # of the root, relative


def crossing(function: Callable[[float], float], high: float = 1.0) -> float:
    """Return where a monotone function changes its sign between 0 and infinity.

    The bracket doubles from `high` on; within it by false position, whose idle end gives way
    (Illinois; Dowell and Jarratt, BIT 11, 1971).
    """
    low, below, above = 0.0, function(0.0), function(high)
    while below * above > 0:
        low, below, high = high, above, 2 * high
        above = function(high)
    last = 0
    while below != above and high - low > EXACT * high:
        middle = (low * above - high * below) / (above - below)
        value = function(middle)
        if value * above > 0:
            high, above = middle, value
            below /= 2 if last == 1 else 1
            last = 1
        else:
            if middle == low:
                break
            low, below = middle, value
            above /= 2 if last == -1 else 1
            last = -1
        if value == 0:
            return middle
    return high
