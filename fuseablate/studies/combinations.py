"""Which combinations of levels each design has, and what they are called. Without torch.

A combination is called by its `factor=level` pairs, joined by commas. `baseline`, `candidate`,
`without-<factor>` and, in a per-row design, the edit itself are the other names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import prod
from string import ascii_lowercase

from fuseablate.errors import InputError
from fuseablate.ops import Row
from fuseablate.runs import BASELINE
from fuseablate.spec import Edit, Size, Spec, select
from fuseablate.studies.schema import Factor, Level

MOST_VARIANTS = 4096


@dataclass(frozen=True)
class Combination:
    """A combination of levels, which makes one variant of a design."""

    name: str
    levels: Mapping[str, Level]
    """The level of each factor that is not at the baseline."""

    @classmethod
    def of(cls, levels: Mapping[str, Level]) -> Combination:
        pairs = (f"{factor}={level.name}" for factor, level in levels.items())
        return cls(",".join(pairs) or BASELINE, levels)


def _one_factor(factors: Sequence[Factor]) -> list[Combination]:
    alone = [{factor.name: level} for factor in factors for level in factor.levels]
    return [Combination.of(levels) for levels in ({}, *alone)]


def _leave_one_out(factors: Sequence[Factor]) -> list[Combination]:
    """Return the candidate, the candidate without each factor, and the baseline for context."""
    candidate = {factor.name: factor.levels[0] for factor in factors}
    without = [
        Combination(
            f"without-{out}", {name: level for name, level in candidate.items() if name != out}
        )
        for out in candidate
    ]
    return [Combination("candidate", candidate), *without, Combination(BASELINE, {})]


def _factorial(factors: Sequence[Factor]) -> list[Combination]:
    count = prod(len(factor.levels) + 1 for factor in factors)
    if count > MOST_VARIANTS:
        raise InputError(
            f'design = "factorial": {count:,} combinations are more than {MOST_VARIANTS:,}; '
            'use fewer factors, or design = "fractional"'
        )
    return [_combined(factors, levels) for levels in product(*((None, *f.levels) for f in factors))]


def fractional_factorial(factors: Sequence[Factor]) -> tuple[list[Combination], list[str]]:
    """Return the combinations of the design, and the notes that say what is aliased."""
    signs = fractional(len(factors))
    aliased = aliases([factor.name for factor in factors], signs)
    share = f"{len(signs)} of {2 ** len(factors):,} combinations"
    note = (
        f"resolution IV, {share}: main effects are clear of two-factor interactions, "
        "and some of these are aliased with each other"
        if aliased
        else f"resolution V, {share}: main effects and two-factor interactions are all clear"
    )
    chosen = [
        _combined(
            factors,
            [f.levels[0] if sign > 0 else None for f, sign in zip(factors, row, strict=True)],
        )
        for row in signs
    ]
    return chosen, [note, *aliased]


def fractional(factors: int) -> list[tuple[int, ...]]:
    """Return a two-level design of resolution IV or better: -1 (the baseline) or 1 of each factor.

    The matrix comes from pyDOE3. Its generators are chosen here: pyDOE3's own `fracfact_by_res`
    (version 1.6.2) refuses four factors, and from 16 on returns designs of resolution III.

    The first combination has the baseline throughout. Columns are products of an odd number of the
    first few, so that every word of the defining relation is even, and the shortest has four
    letters (Box, Hunter and Hunter, Statistics for Experimenters, chapter 6). Five factors take the
    product of all four, which gives resolution V in the same 16 combinations.
    """
    from pyDOE3 import fracfact  # takes over a second

    independent = next(count for count in range(1, factors + 1) if 2 ** (count - 1) >= factors)
    letters = ascii_lowercase[:independent]
    words = ["".join(word) for size in range(3, independent + 1, 2)
             for word in combinations(letters, size)]  # fmt: skip
    if factors == 5:
        words = ["-abcd"]  # the sign keeps the baseline among the combinations
    matrix = fracfact(" ".join([*letters, *words[: factors - independent]]))
    return [tuple(int(sign) for sign in row) for row in matrix]


def aliases(names: Sequence[str], signs: Sequence[Sequence[int]]) -> list[str]:
    """Return which two-factor interactions cannot be told apart, a line for each set of them."""
    columns = dict(zip(names, zip(*signs, strict=True), strict=True))
    sets: dict[tuple[int, ...], list[str]] = {}
    for pair in combinations(names, 2):
        interaction = tuple(map(prod, zip(*(columns[name] for name in pair), strict=True)))
        opposite = tuple(-sign for sign in interaction)
        sets.setdefault(max(interaction, opposite), []).append(" x ".join(pair))
    return [" is aliased with ".join(group) for group in sets.values() if len(group) > 1]


BY_FACTORS: Mapping[str, Callable[[Sequence[Factor]], list[Combination]]] = {
    "one-factor": _one_factor,
    "leave-one-out": _leave_one_out,
    "factorial": _factorial,
}


def per_row(spec: Spec, rows: str, edit: str, size: Size) -> tuple[list[Combination], list[str]]:
    """Return the baseline and the edit on each row, and the rows that are left out."""
    made = [Combination(BASELINE, {})]
    left_out = []
    for row in select(spec.rows, rows):
        text = f"{_alone(spec, row)}.{edit}"
        if reason := _without_effect(spec, row, text, size):
            left_out.append(reason)
        else:
            made.append(Combination(text, {"row": Level(name=row.name, edits=(text,))}))
    if len(made) == 1:
        raise InputError(f"no row of '{rows}' can take the edit: {left_out[0]}")
    return made, left_out


def _alone(spec: Spec, row: Row) -> str:
    """Return the selector of one row: `5/1` where `5` would select its repeats as well."""
    return row.id if len(select(spec.rows, row.id)) == 1 else f"{row.id}/1"


def _without_effect(spec: Spec, row: Row, text: str, size: Size) -> str:
    field = Edit.parse(text).field
    if field in row.rules() and field not in row.values():
        return f"edit '{text}': has no such field; the table shows '-'"
    try:
        same = spec.edit(text).digest(size) == spec.digest(size)
    except InputError as error:
        return str(error)
    return f"edit '{text}': gives the network of the baseline" if same else ""


def _combined(factors: Sequence[Factor], levels: Sequence[Level | None]) -> Combination:
    pairs = zip(factors, levels, strict=True)
    return Combination.of({factor.name: level for factor, level in pairs if level is not None})
