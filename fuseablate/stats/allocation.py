"""How many seeds the reference should have, which takes part in every comparison."""

from __future__ import annotations

import math


def best_reference(each: int, comparisons: int) -> int:
    """Return the seeds of the reference that make a study's intervals narrowest for its runs.

    The square root of the number of comparisons times those of each variant (Dunnett 1955), to
    the next whole number; at least as many as each has.
    """
    return max(each, round(each * math.sqrt(comparisons)))


def narrowed(each: int, reference: int) -> float:
    """Return by what factor the reference's seeds change the interval of every difference.

    Of the normal half-width, at one standard deviation: sqrt(1/n + 1/m) against sqrt(2/n).
    """
    return math.sqrt((1 / each + 1 / reference) / (2 / each))
