"""Edits: `ROWS.FIELD=VALUE`, pure changes of a spec.

ROWS is `all`, an op (`fuse`), an id (`12`, and `5/2` for one repeat), a range (`5-12`), or an op
within a range (`fuse@5-12`). FIELD is a cell of the row, or `op` or `depth`; without ROWS it is
one of the spec's own keys. VALUE sets the cell or, for channels, scales it (`x0.5`).
`scale.width=x1.25` scales the channels of the whole network, all rows but the classifier's, after
all other edits.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fuseablate.errors import InputError, NoChangeError, unknown
from fuseablate.keys import SPEC_RULES, parse_size
from fuseablate.layers import Add
from fuseablate.ops import OPS, Row
from fuseablate.ops.cells import Choice, Rule
from fuseablate.ops.table import DEPTH, repeated
from fuseablate.selectors import base_id, select

if TYPE_CHECKING:
    from fuseablate.spec import Spec

SPEC_KEYS = (*SPEC_RULES, "input")
WIDTH = ("scale", "width")  # what `scale.width=x1.25` names in place of rows and a field
STRUCTURE: dict[str, Rule] = {"op": Choice(tuple(OPS)), "depth": DEPTH}


@dataclass(frozen=True)
class Edit:
    """One edit as written: `rows` is None for a key of the spec itself."""

    text: str
    rows: str | None
    field: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Edit:
        """Return the edit that `text` writes, or say what an edit looks like."""
        match = re.fullmatch(r"(?:([^.=\s]+)\.)?([^.=\s]+)=(\S+)", text.strip())
        if not match:
            raise InputError(
                f"edit {text!r}: is not of the form ROWS.FIELD=VALUE, such as fuse.kernel=5"
            )
        return cls(text.strip(), *match.groups())

    def new_value(self, rule: Rule, old: Any, divisor: int) -> Any:
        """Return what a cell becomes that held `old`."""
        factor = self.factor()
        if factor is None:
            return rule.read(self.value)
        if not rule.scales:
            raise InputError(
                f"{self.field} cannot be scaled, only channels (exp, out) can; write a value"
            )
        if not isinstance(old, int):
            raise InputError(f"there is no number of {self.field} to scale; write a value")
        return rule.check(scaled(old * factor, divisor))

    def factor(self) -> float | None:
        """Return the factor that the value writes (`x0.5`); None where it writes none."""
        match = re.fullmatch(r"x([0-9]{1,6}(?:\.[0-9]*)?|\.[0-9]+)", self.value)
        if match and float(match[1]) == 0:
            raise InputError("channels cannot be scaled by 0; use a factor such as x0.5")
        return float(match[1]) if match else None


def scaled(channels: float, divisor: int) -> int:
    """Return `channels` rounded to the divisor, never below it, nor under 0.9 of `channels`.

    This is the rule of the MobileNet family (`make_divisible` in the published code).
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def widened(rows: Sequence[Row], factor: float, divisor: int) -> tuple[Row, ...]:
    """Return `rows` with all channels scaled by one factor; the row of the classes stays.

    Raise `InputError` for a row that would get more channels than a row may have.
    """
    return tuple(
        row.from_cells(row.id, {**row.cells(), **_wider(row, factor, divisor)}) for row in rows
    )


def _wider(row: Row, factor: float, divisor: int) -> dict[str, int]:
    return {name: scaled(old * factor, divisor) for name, old in channels(row).items()}


def channels(row: Row) -> dict[str, int]:
    """Return the cells of a row that a change of the network's width scales."""
    cells = row.cells()
    if cells.get("out") == "classes":
        return {}
    return {
        name: cells[name] for name, rule in row.rules().items() if rule.scales and name in cells
    }


def edited(spec: Spec, texts: Iterable[str]) -> Spec:
    """Return `spec` with all edits made at once; see `Spec.edit`."""
    edits = [Edit.parse(text) for text in texts]
    if not edits:
        return spec
    head = _edited_head(spec, [edit for edit in edits if edit.rows is None])
    table = _Table(spec, head.get("divisor", spec.divisor))
    width = [edit for edit in edits if (edit.rows, edit.field) == WIDTH]
    of_rows = [edit for edit in edits if edit.rows is not None and edit not in width]
    for group in _widest_first(spec, of_rows):
        table.apply(*group)
    try:
        rows, dropped = table.rows()
        rows = _in_width(rows, width, head.get("divisor", spec.divisor))
        after = dataclasses.replace(
            spec,
            **head,
            rows=rows,
            edits=spec.edits + tuple(edit.text for edit in edits),
            dropped=tuple(dict.fromkeys((*spec.dropped, *dropped))),
        )
    except NoChangeError:
        raise  # it names its one edit already
    except InputError as error:
        raise error.within(f"edit '{' '.join(edit.text for edit in edits)}'") from None
    _check_residuals(spec, after, edits)
    return after


def _edited_head(spec: Spec, edits: Sequence[Edit]) -> dict[str, Any]:
    head: dict[str, Any] = {}
    for edit in edits:
        try:
            if edit.field not in SPEC_KEYS:
                if any(edit.field in (*op.rules(), *STRUCTURE) for op in OPS.values()):
                    raise InputError(
                        f"'{edit.field}' is a field of rows; say which, as in all.{edit.text}"
                    )
                raise unknown("key of the spec", edit.field, SPEC_KEYS)
            if edit.field in head:
                raise InputError(f"'{edit.field}' is set twice")
            old = getattr(spec, edit.field)
            head[edit.field] = (
                parse_size(edit.value)
                if edit.field == "input"
                else edit.new_value(SPEC_RULES[edit.field], old, spec.divisor)
            )
            if head[edit.field] == old:
                raise NoChangeError(f"changes nothing: '{edit.field}' is {edit.value} already")
        except InputError as error:
            raise error.within(f"edit '{edit.text}'") from None
    return head


def _in_width(rows: tuple[Row, ...], edits: Sequence[Edit], divisor: int) -> tuple[Row, ...]:
    """Return the rows with the network's width scaled, where an edit says so."""
    if not edits:
        return rows
    if len(edits) > 1:
        raise InputError("'scale.width' is set twice")
    factor = edits[0].factor()
    if factor is None:
        raise InputError(f"'{edits[0].value}' is no factor; write one, as in scale.width=x1.25")
    after = widened(rows, factor, divisor)
    if after == rows:
        raise NoChangeError(
            f"edit '{edits[0].text}': changes nothing: channels on the divisor {divisor} "
            "stay as they are"
        )
    return after


def _widest_first(spec: Spec, edits: Sequence[Edit]) -> list[tuple[Edit, list[Row], bool]]:
    """Return (edit, its rows, whether one id names them), and refuse edits of equal width."""
    groups = []
    for edit in edits:
        assert edit.rows is not None
        try:
            rows = select(spec.rows, edit.rows)
        except InputError as error:
            raise error.within(f"edit '{edit.text}'") from None
        explicit = all(base_id(row) == edit.rows.partition("/")[0] for row in rows)
        groups.append((edit, rows, explicit))
    for place, (edit, rows, _) in enumerate(groups):
        for other, theirs, _ in groups[:place]:
            both = [row.id for row in rows if row in theirs]
            if edit.field == other.field and len(rows) == len(theirs) and both:
                raise InputError(
                    f"edits '{other.text}' and '{edit.text}' are equally wide and meet in row "
                    f"{both[0]}; keep one of them, or select fewer rows with one"
                )
    # Changes of op come first: what other edits may set depends on the op that a row will have.
    return sorted(groups, key=lambda group: (group[0].field != "op", -len(group[1])))


class _Table:
    """The cells while edits are made: structure (op, depth) is noted and carried out last."""

    def __init__(self, spec: Spec, divisor: int) -> None:
        self._spec = spec
        self._divisor = divisor
        self._cells: dict[str, dict[str, Any]] = {row.id: row.cells() for row in spec.rows}
        self._structure: dict[str, dict[str, Any]] = {row.id: {} for row in spec.rows}

    def apply(self, edit: Edit, rows: list[Row], explicit: bool) -> None:
        """Make one edit; an error where it selects no cell, or changes none."""
        try:
            selected = [row for row in rows if self._has_cell(edit, row, explicit)]
            if not selected:
                raise self._no_cell(edit, rows)
            changed = [self._set(edit, row) for row in selected]
            if not any(changed):
                raise NoChangeError(f"changes nothing: {edit.field} is {edit.value} already")
        except InputError as error:
            raise error.within(f"edit '{edit.text}'") from None

    def _op(self, row: Row) -> type[Row]:
        return OPS[self._structure[row.id].get("op", row.op)]

    def _has_cell(self, edit: Edit, row: Row, explicit: bool) -> bool:
        if edit.field == "op":
            return True
        if edit.field == "depth":
            if edit.rows and "/" in edit.rows:
                raise InputError(
                    f"a depth is that of the whole row; use {base_id(row)}.{edit.field}"
                )
            return explicit or self._op(row).repeats
        rules = {**row.rules(), **self._op(row).rules()}
        if getattr(row, edit.field, None) == "classes":
            if explicit:
                raise InputError(
                    f"row {row.id} puts out one number for each class; write classes={edit.value}"
                )
            return False
        if explicit or edit.field not in row.rules():
            return edit.field in rules
        return getattr(row, edit.field) is not None

    def _no_cell(self, edit: Edit, rows: list[Row]) -> InputError:
        fields = dict.fromkeys(name for row in rows for name in self._op(row).rules())
        if edit.field not in fields:
            return unknown("field", edit.field, (*fields, *STRUCTURE))
        return InputError(
            f"selects no cell: the table shows '-' for {edit.field} in all its rows; "
            f"name one row by its id, as in {rows[0].id}.{edit.field}={edit.value}"
        )

    def _set(self, edit: Edit, row: Row) -> bool:
        """Set one cell and return whether that changed it."""
        if edit.field in STRUCTURE:
            value = edit.new_value(STRUCTURE[edit.field], None, self._divisor)
            old = row.op if edit.field == "op" else _depth(self._spec, row)
            before = self._structure[row.id].get(edit.field, old)
            self._structure[row.id][edit.field] = value
            return bool(value != before)
        rules = {**row.rules(), **self._op(row).rules()}
        value = edit.new_value(rules[edit.field], getattr(row, edit.field, None), self._divisor)
        before = self._cells[row.id].get(edit.field)
        self._cells[row.id][edit.field] = value
        return bool(value != before)

    def rows(self) -> tuple[tuple[Row, ...], list[str]]:
        """Return the rows that the cells now mean, and the fields that fell away."""
        dropped: list[str] = []
        groups: dict[str, list[Row]] = {}
        for row in self._spec.rows:
            op, cells = self._op(row), self._cells[row.id]
            dropped += [name for name in cells if name not in op.rules()]
            kept = {name: value for name, value in cells.items() if name in op.rules()}
            groups.setdefault(base_id(row), []).append(op.from_cells(row.id, kept))
        for base, group in groups.items():
            depth = self._structure[group[0].id].get("depth")
            if depth is not None:
                groups[base] = group[:depth] + repeated(group[-1], depth, after=len(group))
        return tuple(row for group in groups.values() for row in group), dropped


def _depth(spec: Spec, row: Row) -> int:
    return sum(base_id(other) == base_id(row) for other in spec.rows)


def _check_residuals(before: Spec, after: Spec, edits: Sequence[Edit]) -> None:
    """Refuse a residual that no selected row can take; a row that cannot is passed over."""
    for edit in edits:
        if edit.rows is None or edit.field != "residual" or edit.value != "true":
            continue
        bases = {base_id(row) for row in select(before.rows, edit.rows)}
        traced = [one for one in after.trace() if base_id(one.row) in bases]
        if not any(isinstance(one.layer, Add) for one in traced):
            raise InputError(
                f"edit '{edit.text}': no selected row can take a residual; "
                "it needs stride 1 and as many channels in as out"
            )
