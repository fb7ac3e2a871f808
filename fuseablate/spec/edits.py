"""Edits: `ROWS.FIELD=VALUE`, pure changes of a spec.

ROWS is `all`, an op (`fuse`), an id (`12`, and `5/2` for one repeat), a range (`5-12`), or an op
within a range (`fuse@5-12`). FIELD is a cell of the row, or `op` or `depth`; without ROWS it is
one of the spec's own keys. VALUE sets the cell or, for channels, scales it (`x0.5`).
`scale.width=x1.25` scales the channels of the whole network, all rows but the classifier's, after
all other edits; so do `scale.depth`, `scale.resolution` and, for all three, `scale.phi`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from fuseablate.errors import InputError, NoChangeError, unknown
from fuseablate.layers import Residual, Sum, contains
from fuseablate.ops import OPS, Row
from fuseablate.spec.keys import SPEC_RULES, Size, parse_size
from fuseablate.spec.row_edits import STRUCTURE, Edit, EditedTable, widest_first
from fuseablate.spec.scaling import SCALE, factors, scaled_table
from fuseablate.spec.selectors import select
from fuseablate.spec.table import Table

SPEC_KEYS = (*SPEC_RULES, "input")


class Edited(NamedTuple):
    """What edits make of a table: its keys and rows anew, and the same as a table.

    edits: those that were made, as text. dropped: fields that a change of op did away with.
    """

    changes: Mapping[str, Any]
    table: Table
    edits: tuple[str, ...]
    dropped: tuple[str, ...]


def edited(
    before: Table, texts: Iterable[str], idle: bool = False, scaled_later: bool = False
) -> Edited:
    """Return what all edits, made at once, make of `before`; see `Spec.edit`.

    An edit that changes nothing is refused or, where `idle`, left out: it is judged when the
    wider ones have been made, and without it the others do what they do. Of those that change a
    cell on which no layer depends, none is left out, and each is refused unless `idle`.
    """
    edits = [Edit.parse(text) for text in texts]
    idlers: set[str] = set()

    def left_out(edit: Edit, error: NoChangeError) -> None:
        if not idle:
            raise error
        idlers.add(edit.text)

    changes = _edited_keys(before, [edit for edit in edits if edit.rows is None], left_out)
    divisor = changes.get("divisor", before.divisor)
    table = EditedTable(before.rows, divisor)
    scales = [edit for edit in edits if edit.rows == SCALE]
    of_rows = [edit for edit in edits if edit.rows not in (None, SCALE)]
    for group in widest_first(before.rows, of_rows):
        try:
            table.apply(*group)
        except NoChangeError as error:
            left_out(group[0], error)
    try:
        rows, dropped = table.rows()
        rows, size = _scaled(rows, changes.get("input", before.input), scales, divisor, left_out)
        edits = [edit for edit in edits if edit.text not in idlers]
        if not edits:
            return Edited({}, before, (), ())
        changes |= {"rows": rows, "input": size}
        after = dataclasses.replace(before, **changes)
    except NoChangeError:
        raise  # it names its one edit already
    except InputError as error:
        raise error.within(f"edit '{' '.join(edit.text for edit in edits)}'") from None
    _check_residuals(before, after, edits)
    made = tuple(edit.text for edit in edits)
    if not idle:
        _check_effect(before, after, made, scaled_later)
    return Edited(changes, after, made, tuple(dropped))


def _edited_keys(
    before: Table, edits: Sequence[Edit], left_out: Callable[[Edit, NoChangeError], None]
) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for edit in edits:
        try:
            if edit.field not in SPEC_KEYS:
                if any(edit.field in (*op.rules(), *STRUCTURE) for op in OPS.values()):
                    raise InputError(
                        f"'{edit.field}' is a field of rows; say which, as in all.{edit.text}"
                    )
                raise unknown("key of the spec", edit.field, SPEC_KEYS)
            if edit.field in changes:
                raise InputError(f"'{edit.field}' is set twice")
            old = getattr(before, edit.field)
            value = (
                parse_size(edit.value)
                if edit.field == "input"
                else edit.new_value(SPEC_RULES[edit.field], old, before.divisor)
            )
            if value == old:
                raise NoChangeError(f"changes nothing: '{edit.field}' is {edit.value} already")
            changes[edit.field] = value
        except NoChangeError as error:
            left_out(edit, error.within(f"edit '{edit.text}'"))
        except InputError as error:
            raise error.within(f"edit '{edit.text}'") from None
    return changes


def _scaled(
    rows: tuple[Row, ...],
    size: Size,
    edits: Sequence[Edit],
    divisor: int,
    left_out: Callable[[Edit, NoChangeError], None],
) -> tuple[tuple[Row, ...], Size]:
    """Return the rows and the input with the whole network scaled, where edits say so."""
    seen: set[str] = set()
    for edit in edits:
        by = factors(edit.field, edit.value)
        if twice := seen & set(by):
            raise InputError(f"'scale.{sorted(twice)[0]}' is set twice")
        seen |= set(by)
        after = scaled_table(rows, size, by, divisor)
        if after == (rows, size):
            left_out(
                edit,
                NoChangeError(
                    f"edit '{edit.text}': changes nothing: channels on the divisor {divisor} "
                    "stay as they are"
                    if edit.field == "width"
                    else f"edit '{edit.text}': changes nothing"
                ),
            )
        rows, size = after
    return rows, size


def _check_residuals(before: Table, after: Table, edits: Sequence[Edit]) -> None:
    """Refuse a residual that no selected row can take; a row that cannot is passed over."""
    for edit in edits:
        if edit.rows is None or edit.field != "residual" or edit.value != "true":
            continue
        bases = {row.base for row in select(before.rows, edit.rows)}
        traced = [one for one in after.infer() if one.row.base in bases]
        if not any(contains(one.layer, Residual, Sum) for one in traced):
            raise InputError(
                f"edit '{edit.text}': no selected row can take a residual; "
                "it needs stride 1 and as many channels in as out"
            )


def _check_effect(before: Table, after: Table, texts: Sequence[str], scaled_later: bool) -> None:
    """Refuse an edit without which the others make the same network."""
    layers = after.layers()
    for at, text in enumerate(texts):
        if scaled_later and Edit.parse(text).field == "divisor":
            continue
        try:
            without = edited(before, [*texts[:at], *texts[at + 1 :]], idle=True).table
        except InputError:  # the others cannot be made without it
            continue
        if without.input == after.input and without.layers() == layers:
            raise NoChangeError(f"edit '{text}': changes nothing: no layer depends on it here")
