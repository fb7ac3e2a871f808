"""Selectors: which rows of a table an edit means.

`all`, an op (`fuse`), an id (`12`, and `5/2` for one repeat), a range (`5-12`), or an op within a
range (`fuse@5-12`).
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from fuseablate.errors import InputError, unknown
from fuseablate.ops import OPS, Row


def select(table: Sequence[Row], rows: str) -> list[Row]:
    """Return the rows that a selector names; raise `InputError` where there are none."""
    if rows == "all":
        return list(table)
    op, at, ids = rows.rpartition("@")
    if not at and ids in OPS:
        chosen = [row for row in table if row.op == ids]
        if not chosen:
            raise InputError(f"the spec has no row of op '{ids}'")
        return chosen
    if at and op not in OPS:
        raise unknown("op", op, OPS)
    chosen = _in_range(table, ids)
    if at:
        chosen = [row for row in chosen if row.op == op]
        if not chosen:
            raise InputError(f"rows {ids} have no row of op '{op}'")
    return chosen


def _none(table: Sequence[Row], bases: Sequence[str], ids: str) -> InputError:
    base, slash, _ = ids.partition("/")
    if slash and base in bases:
        repeats = sum(row.base == base for row in table)
        return InputError(f"'{ids}' selects no row; row {base} stands {repeats} times")
    ops = dict.fromkeys(row.op for row in table)
    near = get_close_matches(ids.lower(), ["all", *ops], 1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return InputError(
        f"'{ids}' selects no row; {hint}rows go from {bases[0]} to {bases[-1]}, and their ops are "
        f"{', '.join(ops)}"
    )


def _in_range(table: Sequence[Row], ids: str) -> list[Row]:
    bases = list(dict.fromkeys(row.base for row in table))
    if ids in bases:
        return [row for row in table if row.base == ids]
    exact = [row for row in table if row.id == ids.removesuffix("/1")]
    if exact:
        return exact
    first, dash, last = ids.partition("-")
    for end in (first, last) if dash else (ids,):
        if end not in bases:
            raise _none(table, bases, ids)
    start, stop = bases.index(first), bases.index(last)
    if start > stop:
        raise InputError(f"range '{ids}' runs backwards; write {last}-{first}")
    chosen = set(bases[start : stop + 1])
    return [row for row in table if row.base in chosen]
