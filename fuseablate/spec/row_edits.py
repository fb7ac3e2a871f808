"""What edits make of one row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from fuseablate.errors import InputError
from fuseablate.ops import OPS, Row
from fuseablate.spec.edits import STRUCTURE, Edit
from fuseablate.spec.scaling import KnownRow


class Original(NamedTuple):
    """A row before it is edited."""

    row: Row
    depth: int
    """How often it stands in its table."""
    values: Mapping[str, Any]
    """Its own."""


class EditFailure(NamedTuple):
    """Why edits make no row."""

    error: InputError
    text: str | None
    """The edit that cannot be made; None where all can, but what they make is refused."""
    selecting: bool
    """Whether it cannot even be said if that edit means a field of the row."""


class EditedRow(NamedTuple):
    """What edits make of a row. It depends on the row and on the edits that select it alone."""

    row: KnownRow | None
    """None where there is a failure."""
    op: type[Row]
    depth: int | None
    """How often the row is to stand in its table, where an edit says so."""
    applied: frozenset[str]
    """The texts of those edits that mean a field of the row."""
    whole: bool
    """Whether that is all of them, and there is no failure."""
    changed: frozenset[str]
    """The texts of those that changed it."""
    dropped: tuple[str, ...]
    """Fields with a value that a change of op did away with."""
    failure: EditFailure | None


def edit_row(
    original: Original,
    edits: Iterable[tuple[Edit, bool]],
    divisor: int,
    know: Callable[[Row], KnownRow],
) -> EditedRow:
    """Return what edits make of a row.

    edits: those that select the row, in the order of `widest_first`, each with whether one id
    names its rows.
    """
    fields = _Fields(original, divisor)
    applied, changed = [], []
    known, failure = None, None
    dropped: tuple[str, ...] = ()
    text: str | None = None
    selecting = False
    whole = True
    try:
        for edit, explicit in edits:
            text, selecting = edit.text, True
            if not fields.has(edit, explicit):
                whole = False
                continue
            applied.append(text)
            selecting = False
            if fields.set(edit):
                changed.append(text)
        text, selecting = None, False
        made, dropped = fields.row()
        known = know(made)
    except InputError as error:
        failure = EditFailure(error, text, selecting)
        whole = False
    return EditedRow(
        known,
        fields.op,
        fields.depth,
        frozenset(applied),
        whole,
        frozenset(changed),
        dropped,
        failure,
    )


class _Fields:
    """The fields of a row while edits are made; its structure (op, depth) changes at the end."""

    def __init__(self, original: Original, divisor: int) -> None:
        row, depth, self._before = original
        self._row, self._divisor = row, divisor
        self._values = dict(self._before)
        self._structure: dict[str, Any] = {"op": row.op, "depth": depth}
        self._deepened = False

    @property
    def op(self) -> type[Row]:
        """The op that the row will have."""
        return OPS[self._structure["op"]]

    @property
    def depth(self) -> int | None:
        return self._structure["depth"] if self._deepened else None

    def has(self, edit: Edit, explicit: bool) -> bool:
        """Whether the edit means a field of this row.

        A wide edit passes over rows in which the table shows '-'; one that names the row by its id
        (`explicit`) gives it a value there.
        """
        row = self._row
        if edit.field == "op":
            return True
        if edit.field == "depthwise":
            return bool(self.op.depthwise_forms(self._shown()))
        if edit.field == "depth":
            if edit.rows and "/" in edit.rows:
                raise InputError(f"a depth is that of the whole row; use {row.base}.{edit.field}")
            return explicit or self.op.repeats
        old = self._before.get(edit.field)
        if old == "classes":
            if explicit:
                raise InputError(
                    f"row {row.id} puts out one number for each class; write classes={edit.value}"
                )
            return False
        if explicit or edit.field not in row.rules():
            return edit.field in row.rules() or edit.field in self.op.rules()
        return old is not None and old != row.kept.get(edit.field)

    def set(self, edit: Edit) -> bool:
        """Set one field and return whether that changed it.

        Factors are taken of what the table has, so that of two edits the narrower one decides.
        """
        if edit.field == "depthwise":
            return self._set_depthwise(str(STRUCTURE["depthwise"].read(edit.value)))
        if edit.field in STRUCTURE:
            value = edit.new_value(STRUCTURE[edit.field], None, self._divisor)
            before = self._structure[edit.field]
            self._structure[edit.field] = value
            self._deepened |= edit.field == "depth"
            return bool(value != before)
        rule = self.op.rules().get(edit.field) or self._row.rules()[edit.field]
        step = self._row.step(edit.field, self._divisor)
        try:
            value = edit.new_value(rule, self._before.get(edit.field), step)
        except InputError as error:
            raise error.within(f"row {self._row.id}") from None
        before = self._values.get(edit.field)
        self._values[edit.field] = value
        return bool(value != before)

    def _set_depthwise(self, form: str) -> bool:
        shown = self._shown()
        values = dict(self.op.depthwise_forms(shown)[form])
        op = values.pop("op", self.op.op)
        same = op == self.op.op and all(shown.get(name) == values[name] for name in values)
        self._structure["op"] = op
        self._values |= values
        return not same

    def _shown(self) -> dict[str, Any]:
        """Return the values that a row of the op now would have, defaults among them."""
        return {**self.op.defaults(), **self._values}

    def row(self) -> tuple[Row, tuple[str, ...]]:
        """Return the row that the fields now mean, and those that fell away with a value."""
        rules = self.op.rules()
        usual = self._row.defaults()
        values = self._values
        same = self.op is type(self._row) and not self.op.parts()
        if same:  # then only what was set needs to be looked at
            values = {
                name: value for name, value in values.items() if value != self._before.get(name)
            }
        dropped = [
            name for name, value in values.items() if name not in rules and value != usual.get(name)
        ]
        kept = {name: value for name, value in values.items() if name in rules}
        if same:
            return self._row.replaced(kept), tuple(dropped)
        return self.op.from_values(self._row.id, kept), tuple(dropped)
