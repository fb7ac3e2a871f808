"""Two-level fractional factorial designs of resolution IV or better. Without torch.

The matrix comes from pyDOE3. Its generators are chosen here: pyDOE3's own `fracfact_by_res`
(version 1.6.2) refuses four factors, and from 16 on returns designs of resolution III.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import prod
from string import ascii_lowercase

Runs = Sequence[Sequence[int]]


def fractional(factors: int) -> list[tuple[int, ...]]:
    """Return the runs, each with -1 (the baseline) or 1 (the level) for every factor.

    The first run has the baseline throughout. Columns are products of an odd number of the
    first few, so that every word of the defining relation is even, and the shortest has four
    letters (Box, Hunter and Hunter, Statistics for Experimenters, chapter 6). Five factors
    take the product of all four, which gives resolution V in the same 16 runs.
    """
    from pyDOE3 import fracfact  # takes over a second

    independent = next(count for count in range(1, factors + 1) if 2 ** (count - 1) >= factors)
    letters = ascii_lowercase[:independent]
    words = ["".join(word) for size in range(3, independent + 1, 2)
             for word in combinations(letters, size)]  # fmt: skip
    if factors == 5:
        words = ["-abcd"]  # the sign keeps the baseline among the runs
    matrix = fracfact(" ".join([*letters, *words[: factors - independent]]))
    return [tuple(int(sign) for sign in run) for run in matrix]


def aliases(names: Sequence[str], runs: Runs) -> list[str]:
    """Return which two-factor interactions cannot be told apart, a line for each set of them."""
    columns = dict(zip(names, zip(*runs, strict=True), strict=True))
    sets: dict[tuple[int, ...], list[str]] = {}
    for pair in combinations(names, 2):
        product = tuple(map(prod, zip(*(columns[name] for name in pair), strict=True)))
        opposite = tuple(-sign for sign in product)
        sets.setdefault(max(product, opposite), []).append(" x ".join(pair))
    return [" is aliased with ".join(group) for group in sets.values() if len(group) > 1]
