"""One edit, and the rows of a table while edits are made."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fuseablate.errors import InputError, NoChangeError, unknown
from fuseablate.ops import OPS, Row
from fuseablate.ops.fields import Choice, Rule
from fuseablate.ops.table import DEPTH, deepened, depth_of
from fuseablate.ops.widths import each, follows, scaled
from fuseablate.spec.scaling import factor_of
from fuseablate.spec.selectors import select

STRUCTURE: dict[str, Rule] = {"op": Choice(tuple(OPS)), "depth": DEPTH}


@dataclass(frozen=True)
class Edit:
    """One edit as written: `rows` is None for a key of the spec itself."""

    text: str
    rows: str | None
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

    @property
    def target(self) -> tuple[str | None, str]:
        """What is set: a field of some rows, or of the whole network's scale, or a spec's key."""
        return self.rows, self.field

    def new_value(self, rule: Rule, old: Any, divisor: int) -> Any:
        """Return what a cell becomes that held `old`."""
        factor = factor_of(self.value)
        if factor is None:
            return rule.read(self.value)
        if not rule.scales:
            raise InputError(
                f"{self.field} cannot be scaled, only channels (exp, out) can; write a value"
            )
        if old is None or follows(old):
            raise InputError(f"there is no number of {self.field} to scale; write a value")
        return rule.check(each(old, lambda channels: scaled(channels * factor, divisor)))


def widest_first(table: Sequence[Row], edits: Sequence[Edit]) -> list[tuple[Edit, list[Row], bool]]:
    """Return (edit, its rows, whether one id names them), and refuse edits of equal width."""
    groups = []
    for edit in edits:
        assert edit.rows is not None
        try:
            rows = select(table, edit.rows)
        except InputError as error:
            raise error.within(f"edit '{edit.text}'") from None
        explicit = all(row.base == edit.rows.partition("/")[0] for row in rows)
        groups.append((edit, rows, explicit))
    for place, (edit, rows, _) in enumerate(groups):
        for other, theirs, _ in groups[:place]:
            if edit.field != other.field or len(rows) != len(theirs):
                continue
            if both := [row.id for row in rows if row in theirs]:
                raise InputError(
                    f"edits '{other.text}' and '{edit.text}' are equally wide and meet in row "
                    f"{both[0]}; keep one of them, or select fewer rows with one"
                )
    # Changes of op come first: what other edits may set depends on the op that a row will have.
    return sorted(groups, key=lambda group: (group[0].field != "op", -len(group[1])))


class EditedRow:
    """One row of a table while edits are made: cells at once, structure (op, depth) at the end.

    `depth` is that of the table's row; edits are to be made in the order of `widest_first`.
    """

    def __init__(self, row: Row, depth: int, divisor: int) -> None:
        self._row, self._divisor = row, divisor
        self._before = row.values()
        self._cells = dict(self._before)
        self._structure: dict[str, Any] = {"op": row.op, "depth": depth}
        self._deepened = False

    @property
    def op(self) -> type[Row]:
        """The op that the row will have."""
        return OPS[self._structure["op"]]

    @property
    def depth(self) -> int | None:
        """The depth that an edit has set, or None."""
        return self._structure["depth"] if self._deepened else None

    def has_field(self, edit: Edit, explicit: bool) -> bool:
        """Whether the edit means a cell of this row; `explicit` where one id names it."""
        row = self._row
        if edit.field == "op":
            return True
        if edit.field == "depth":
            if edit.rows and "/" in edit.rows:
                raise InputError(f"a depth is that of the whole row; use {row.base}.{edit.field}")
            return explicit or self.op.repeats
        if self._before.get(edit.field) == "classes":
            if explicit:
                raise InputError(
                    f"row {row.id} puts out one number for each class; write classes={edit.value}"
                )
            return False
        if explicit or edit.field not in row.rules():
            return edit.field in row.rules() or edit.field in self.op.rules()
        old = self._before.get(edit.field)
        return old is not None and old != row.kept.get(edit.field)

    def set(self, edit: Edit) -> bool:
        """Set one cell and return whether that changed it."""
        if edit.field in STRUCTURE:
            value = edit.new_value(STRUCTURE[edit.field], None, self._divisor)
            before = self._structure[edit.field]
            self._structure[edit.field] = value
            self._deepened |= edit.field == "depth"
            return bool(value != before)
        rule = self.op.rules().get(edit.field) or self._row.rules()[edit.field]
        step = self._row.step(edit.field, self._divisor)
        value = edit.new_value(rule, self._before.get(edit.field), step)
        before = self._cells.get(edit.field)
        self._cells[edit.field] = value
        return bool(value != before)

    def row(self) -> tuple[Row, list[str]]:
        """Return the row that the cells now mean, and the fields that fell away with a value."""
        rules = self.op.rules()
        usual = self._row.defaults()
        dropped = [
            name
            for name, value in self._cells.items()
            if name not in rules and value != usual.get(name)
        ]
        kept = {name: value for name, value in self._cells.items() if name in rules}
        return self.op.from_values(self._row.id, kept), dropped


class EditedTable:
    """The rows of a spec while edits are made."""

    def __init__(self, table: Sequence[Row], divisor: int) -> None:
        self._rows = {row.id: EditedRow(row, depth_of(table, row), divisor) for row in table}

    def apply(self, edit: Edit, rows: list[Row], explicit: bool) -> None:
        """Make one edit; an error where it selects no cell, or changes none."""
        try:
            selected = [row.id for row in rows if self._rows[row.id].has_field(edit, explicit)]
            if not selected:
                raise self._no_cell(edit, rows)
            changed = [self._set(id, edit) for id in selected]
            if not any(changed):
                raise NoChangeError(f"changes nothing: {edit.field} is {edit.value} already")
        except InputError as error:
            raise error.within(f"edit '{edit.text}'") from None

    def _set(self, id: str, edit: Edit) -> bool:
        try:
            return self._rows[id].set(edit)
        except InputError as error:
            # Of an op or a depth the rule is the same for all rows.
            raise (error if edit.field in STRUCTURE else error.within(f"row {id}")) from None

    def _no_cell(self, edit: Edit, rows: list[Row]) -> InputError:
        if edit.field == "depth":
            repeated = [name for name, op in OPS.items() if op.repeats]
            return InputError(
                f"no row of {', '.join(dict.fromkeys(self._rows[row.id].op.op for row in rows))} "
                f"is repeated; rows of {', '.join(repeated)} are"
            )
        fields = dict.fromkeys(name for row in rows for name in self._rows[row.id].op.rules())
        if edit.field not in fields:
            ops = dict.fromkeys(self._rows[row.id].op for row in rows)
            return _without(edit.field, list(ops)) or unknown(
                "field", edit.field, (*fields, *STRUCTURE)
            )
        fits = next(row for row in rows if edit.field in self._rows[row.id].op.rules())
        said = f"'-' for {edit.field}"
        if edit.field in fits.kept:
            said += f", or {fits.kept[edit.field]},"
        return InputError(
            f"selects no cell: the table shows {said} in all its rows; "
            f"name one row by its id, as in {fits.id}.{edit.field}={edit.value}"
        )

    def rows(self) -> tuple[tuple[Row, ...], list[str]]:
        """Return the rows that the cells now mean, and the fields that fell away."""
        dropped: list[str] = []
        groups: dict[str, tuple[list[Row], int | None]] = {}
        for edited_row in self._rows.values():
            row, fields = edited_row.row()
            dropped += fields
            groups.setdefault(row.base, ([], edited_row.depth))[0].append(row)
        return tuple(row for group in groups.values() for row in deepened(*group)), dropped


def _without(field: str, ops: Sequence[type[Row]]) -> InputError | None:
    """Return why no row of these ops has the field; None where no op at all has it."""
    having = [name for name, op in OPS.items() if field in op.rules()]
    if not having:
        return None
    reasons = [f"; {op.op}: {op.without[field]}" for op in ops if field in op.without]
    return InputError(
        f"no row of {', '.join(op.op for op in ops)} has {field}; rows of {', '.join(having)} do"
        + "".join(reasons)
    )
