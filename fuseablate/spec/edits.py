"""Edits as they are written, `ROWS.FIELD=VALUE`: what each selects, and which comes first.

ROWS is `all`, an op (`fuse`), an id (`12`, and `5/2` for one repeat), a range (`5-12`), or an op
within a range (`fuse@5-12`). FIELD is a field of the row, or `op`, `depth` or `depthwise` (the
form of its depthwise filters: `kxk`, `fuse` or `fuse_half`); without ROWS it is one of the spec's
own keys. VALUE sets the field or, for channels, scales it (`x0.5`). `scale.width=x1.25` scales the
channels of the whole network, all rows but the classifier's, after all other edits; so do
`scale.depth`, `scale.resolution` and, for all three, `scale.phi`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NamedTuple

from fuseablate.errors import InputError, unknown
from fuseablate.ops import OPS, Row
from fuseablate.ops.fields import Choice, Int, Rule, follows, scaled, with_each
from fuseablate.ops.spatial import DEPTHWISE
from fuseablate.ops.table import DEPTH
from fuseablate.spec.scaling import SCALE, factor_of

# What belongs to a row as a whole, and is set as its fields are.
STRUCTURE: dict[str, Rule] = {
    "op": Choice(OPS),
    "depth": Int(least=0, most=DEPTH.most),  # 0 leaves the row out
    "depthwise": Choice(tuple(DEPTHWISE)),
}
# Those that set the size of the images, which the data have.
OF_IMAGES = ((None, "input"), (SCALE, "resolution"), (SCALE, "phi"))
# Those that decide which op a row will have, and so which other fields it has.
OF_OP = ("op", "depthwise")


@dataclass(frozen=True)
class Edit:
    """One edit as written."""

    text: str
    rows: str | None
    """The selector; None for a key of the spec itself."""
    field: str
    value: str

    @classmethod
    @functools.lru_cache(maxsize=4096)
    def parse(cls, text: str) -> Edit:
        """Return the edit that `text` writes, or say what an edit looks like."""
        match = re.fullmatch(r"(?:([^.=\s]+)\.)?([^.=\s]+(?:\.[^.=\s]+)?)=(\S+)", text.strip())
        if not match:
            raise InputError(
                f"edit {text!r}: is not of the form ROWS.FIELD=VALUE, such as fuse.kernel=5"
            )
        return cls(text.strip(), *match.groups())

    @functools.cached_property
    def target(self) -> tuple[str | None, str]:
        """What is set: a field of some rows, or of the whole network's scale, or a spec's key."""
        return self.rows, self.field

    @functools.cached_property
    def of_rows(self) -> bool:
        """Whether it sets a field of rows, and neither a key nor the whole network's scale."""
        return self.rows is not None and self.rows != SCALE

    def new_value(self, rule: Rule, old: Any, divisor: int) -> Any:
        """Return what becomes of a field whose value is `old`."""
        factor = factor_of(self.value)
        if factor is None:
            return rule.read(self.value)
        if not rule.scales:
            raise InputError(
                f"{self.field} cannot be scaled, only channels (exp, out) can; write a value"
            )
        if old is None or follows(old):
            raise InputError(f"there is no number of {self.field} to scale; write a value")
        return rule.check(with_each(old, lambda channels: scaled(channels * factor, divisor)))


class Selection(NamedTuple):
    """An edit and what it selects."""

    edit: Edit
    places: tuple[int, ...]
    """Of the rows in their table."""
    explicit: bool
    """Whether the rows are named by one id."""


def widest_first(table: Sequence[Row], edits: Sequence[Edit]) -> list[Selection]:
    """Return the edits of rows in the order in which they are made; refuse two equally wide ones.

    A narrower selection so overrides a wider one. Edits of `op` come before all others, and those
    of depthwise filters before the rest: what they may set depends on the op that a row will have.
    """
    place_of = {row.id: place for place, row in enumerate(table)}
    selections: list[Selection] = []
    for edit in edits:
        assert edit.rows is not None
        try:
            rows = select(table, edit.rows)
        except InputError as error:
            raise error.within(f"edit '{edit.text}'") from None
        explicit = all(row.base == edit.rows.partition("/")[0] for row in rows)
        places = tuple(place_of[row.id] for row in rows)
        for other in selections:
            if edit.field != other.edit.field or len(places) != len(other.places):
                continue
            if both := sorted(set(places) & set(other.places)):
                raise InputError(
                    f"edits '{other.edit.text}' and '{edit.text}' are equally wide and conflict "
                    f"in row {table[both[0]].id}; keep one of them, or select fewer rows with one"
                )
        selections.append(Selection(edit, places, explicit))
    return sorted(selections, key=_turn)


def _turn(selection: Selection) -> tuple[int, int]:
    field = selection.edit.field
    first = OF_OP.index(field) if field in OF_OP else len(OF_OP)
    return first, -len(selection.places)


def select(table: Sequence[Row], rows: str) -> list[Row]:
    """Return the rows that a selector names; raise `InputError` where there are none."""
    if rows == "all":
        return list(table)
    op, at, ids = rows.rpartition("@")
    if not at:
        return [row for row in table if row.op == ids] or _in_range(table, ids)
    if op not in OPS:
        raise unknown("op", op, OPS)
    chosen = [row for row in _in_range(table, ids) if row.op == op]
    if not chosen:
        raise InputError(f"rows {ids} have no row of op '{op}'")
    return chosen


def _none(table: Sequence[Row], bases: Sequence[str], ids: str) -> InputError:
    base, slash, _ = ids.partition("/")
    if slash and base in bases:
        repeats = sum(row.base == base for row in table)
        times = f"{repeats} times" if repeats > 1 else "once"
        return InputError(f"'{ids}' selects no row; row {base} stands {times}")
    if ids in OPS:
        return InputError(f"the spec has no row of op '{ids}'")
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
