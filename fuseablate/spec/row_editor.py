"""The rows of a table while edits are made, each made once for each set of edits that select it.

What edits make of a row depends on that row and on the edits that select it, and on nothing else.
So they are remembered row by row: a hundred thousand variants of a table share far fewer rows, and
so do the ways to edit a spec without one of its edits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import NamedTuple

from fuseablate.errors import InputError, NoChangeError, unknown
from fuseablate.ops import OPS, Row
from fuseablate.ops.row import base_of
from fuseablate.ops.table import deepened, depth_of
from fuseablate.spec.edits import STRUCTURE, Edit, widest_first
from fuseablate.spec.row_edits import EditedRow, Original, edit_row
from fuseablate.spec.scaling import KnownRow, KnownRows, factor_of, times_deeper

MOST_ROWS = 1_000_000  # rows, and ways to make them, that are remembered at most
MOST_PLANS = 1000
MOST_FACTORS = 1000  # of the width

_WHOLE = attrgetter("whole")

Target = tuple[str | None, str]


class Rows(NamedTuple):
    """The rows of a table."""

    ids: Sequence[str]
    known: Sequence[KnownRow]


class EditedRows(NamedTuple):
    """What edits make of the rows of a table."""

    edited: Sequence[EditedRow]
    """One for each row of the table."""
    residuals: tuple[tuple[Edit, frozenset[str]], ...]
    """The edits that ask for residuals, each with the bases of the rows that it selects."""
    groups: tuple[slice, ...]
    """Of rows and their repeats that an edit of the depth selects."""

    def idle(self) -> frozenset[str]:
        """Return the texts of the edits that change no row."""
        applied = frozenset[str]().union(*[row.applied for row in self.edited])
        return applied.difference(*[row.changed for row in self.edited])


class _Plan(NamedTuple):
    """How edits of rows are made, whatever the values that they set."""

    order: tuple[tuple[int, tuple[int, ...]], ...]
    """Of each edit its place among those asked for, and those of its rows; the widest first."""
    explicit: frozenset[Target]
    """What those set that name one id."""
    residuals: tuple[tuple[int, frozenset[str]], ...]
    """Of each edit of `residual` its place, and the bases of the rows that it selects."""
    groups: tuple[slice, ...]
    """Of rows and their repeats that an edit of the depth selects."""
    pick: tuple[Callable[[Sequence[str]], tuple[str, ...]], ...]
    """For each row of the table, what picks the edits that select it, the widest first."""


class RowEditor:
    """Makes edits of one table's rows, any number of times."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        self._ids = [row.id for row in rows]
        self._originals = [Original(row, depth_of(rows, row), row.values()) for row in rows]
        self._plans: dict[tuple[Target, ...], _Plan] = {}
        self._groups = groups_of([row.id for row in rows])
        self._forget()

    def _forget(self) -> None:
        self._edited: dict[int, list[dict[tuple[str, ...], EditedRow]]] = {}  # by the divisor
        self._known = KnownRows()
        self._deep: dict[tuple[KnownRow | str | int, ...], Rows] = {}
        self._wide: dict[tuple[float, int], dict[KnownRow, KnownRow]] = {}  # by factor, divisor
        self._held = 0

    def edit(self, edits: Sequence[Edit], divisor: int, *, idle: bool) -> EditedRows:
        """Return what edits make of the rows, each of them by itself.

        Raise `InputError` for an edit that cannot be made and, unless `idle`, for one that changes
        nothing.
        """
        if self._held + len(self._known) >= MOST_ROWS:
            self._forget()
        plan = self._plan(edits)
        edited = self._edit_rows(plan, [edit.text for edit in edits], divisor)
        refused = not idle
        if not all(map(_WHOLE, edited)):
            applied = frozenset[str]().union(*[row.applied for row in edited])
            refused |= len(applied) < len(edits) or any(row.failure for row in edited)
        if refused:
            self._refuse(plan, edits, edited, idle)
        residuals = [
            (edits[at], bases)
            for at, bases in plan.residuals
            if edits[at].value == "true" and any(edits[at].text in row.changed for row in edited)
        ]
        return EditedRows(edited, tuple(residuals), plan.groups)

    def _plan(self, edits: Sequence[Edit]) -> _Plan:
        targets = tuple([edit.target for edit in edits])
        if targets not in self._plans:
            selections = widest_first(self._rows, edits)
            if len(self._plans) >= MOST_PLANS:
                self._plans.clear()
            order = [(edits.index(chosen.edit), chosen.places) for chosen in selections]
            deep = {place for at, places in order if edits[at].field == "depth" for place in places}
            self._plans[targets] = _Plan(
                tuple(order),
                frozenset(chosen.edit.target for chosen in selections if chosen.explicit),
                tuple(
                    (at, frozenset(self._rows[place].base for place in places))
                    for at, places in order
                    if edits[at].field == "residual"
                ),
                tuple(group for group in self._groups if deep & {*range(group.start, group.stop)}),
                tuple(
                    _picker([at for at, places in order if place in places])
                    for place in range(len(self._rows))
                ),
            )
        return self._plans[targets]

    def _edit_rows(self, plan: _Plan, texts: Sequence[str], divisor: int) -> list[EditedRow]:
        """Return what edits make of each row, remembered by the texts of those that select it."""
        if divisor not in self._edited:
            self._edited[divisor] = [{} for _ in self._rows]
        edited_rows = []
        for original, pick, remembered in zip(
            self._originals, plan.pick, self._edited[divisor], strict=True
        ):
            mine = pick(texts)
            try:
                edited = remembered[mine]
            except KeyError:
                self._held += 1
                edits = [(edit, edit.target in plan.explicit) for edit in map(Edit.parse, mine)]
                edited = edit_row(original, edits, divisor, self._known.of)
                remembered[mine] = edited
            edited_rows.append(edited)
        return edited_rows

    def _refuse(
        self, plan: _Plan, edits: Sequence[Edit], rows: Sequence[EditedRow], idle: bool
    ) -> None:
        """Raise what is wrong with the widest edit that cannot be made, if any cannot."""
        for at, places in plan.order:
            edit, place = edits[at], f"edit '{edits[at].text}'"
            selected = [rows[place] for place in places]
            failures = [row.failure for row in selected if row.failure]
            failures = [failure for failure in failures if failure.text == edit.text]
            # What an edit selects is settled in all rows before the first is changed.
            for failure in failures:
                if failure.selecting:
                    raise failure.error.within(place)
            if not any(edit.text in row.applied for row in selected):
                raise self._no_field(edit, places, selected).within(place)
            for failure in failures:
                raise failure.error.within(place)
            if not idle and not any(edit.text in row.changed for row in selected):
                scaled = factor_of(edit.value) is not None
                stays = f"{edit.value} leaves {edit.field} as it is"
                why = stays if scaled else f"{edit.field} is {edit.value} already"
                raise NoChangeError(f"{place}: changes nothing: {why}")

    def _no_field(
        self, edit: Edit, places: Sequence[int], selected: Sequence[EditedRow]
    ) -> InputError:
        """Return why an edit means no field of any row that it selects."""
        ops = list(dict.fromkeys(row.op for row in selected))
        if edit.field == "depth":
            return InputError(
                f"no row of {', '.join(op.op for op in ops)} is repeated; "
                f"rows of {', '.join(name for name, op in OPS.items() if op.repeats)} are"
            )
        if edit.field == "depthwise":
            return InputError(
                f"no row of {', '.join(op.op for op in ops)} here has depthwise filters; those of "
                "fuse and mbconv have, and of conv with spatial=separable"
            )
        fields = dict.fromkeys(name for op in ops for name in op.rules())
        if edit.field not in fields:
            return _without(edit.field, ops) or unknown("field", edit.field, (*fields, *STRUCTURE))
        row = next(
            self._rows[place]
            for place, row in zip(places, selected, strict=True)
            if edit.field in row.op.rules()
        )
        shown = f"'-' for {edit.field}"
        if edit.field in row.kept:
            shown += f", or {row.kept[edit.field]},"
        return InputError(
            f"selects no field: the table shows {shown} in all its rows; "
            f"name one row by its id, as in {row.id}.{edit.field}={edit.value}"
        )

    def made(self, edited: EditedRows) -> Rows:
        """Return the rows, each as often as it is to stand in the table."""
        ids = list(self._ids)
        known = []
        for row in edited.edited:
            if row.row is None:
                assert row.failure is not None
                raise InputError(str(row.failure.error))
            known.append(row.row)
        for group in reversed(edited.groups):  # the last first, so that the others stay in place
            rows = Rows(ids[group], known[group])
            deep = self._deepened(rows, edited.edited[group.start].depth)
            ids[group], known[group] = deep
        return Rows(ids, known)

    def _deepened(self, rows: Rows, depth: int | None) -> Rows:
        if depth is None:
            return rows
        key: tuple[KnownRow | str | int, ...] = (depth, *rows.ids, *rows.known)
        if key not in self._deep:
            self._held += 1
            group = [known.row.at(id) for id, known in zip(*rows, strict=True)]
            deep = deepened(group, depth)
            self._deep[key] = Rows([row.id for row in deep], list(map(self._known.of, deep)))
        return self._deep[key]

    def deeper(self, rows: Rows, factor: float) -> Rows:
        """Return the rows with the depth of each that may repeat times a factor, rounded up."""
        ids: list[str] = []
        known: list[KnownRow] = []
        for group in groups_of(rows.ids):
            repeats = Rows(rows.ids[group], rows.known[group])
            if repeats.known[0].row.repeats:
                repeats = self._deepened(repeats, times_deeper(len(repeats.ids), factor))
            ids += repeats.ids
            known += repeats.known
        return Rows(ids, known)

    def wider(self, rows: Rows, factor: float, divisor: int) -> Rows:
        """Return the rows with their channels times a factor."""
        if len(self._wide) >= MOST_FACTORS:
            self._wide.clear()
        remembered = self._wide.setdefault((factor, divisor), {})
        wide = []
        for id, known in zip(*rows, strict=True):
            try:
                wide.append(remembered[known])
            except KeyError:
                self._held += 1
                try:
                    remembered[known] = self._known.wider(known, factor, divisor)
                except InputError as error:
                    raise error.within(f"row {id}") from None
                wide.append(remembered[known])
        return Rows(rows.ids, wide)


def groups_of(ids: Sequence[str]) -> list[slice]:
    """Return where rows stand with their repeats."""
    groups = []
    start = 0
    for _, repeats in groupby(ids, base_of):
        stop = start + len(list(repeats))
        groups.append(slice(start, stop))
        start = stop
    return groups


def _picker(places: Sequence[int]) -> Callable[[Sequence[str]], tuple[str, ...]]:
    """Return what takes the texts at these places; `itemgetter` gives a bare text for one."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda texts: tuple([texts[place] for place in places])


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
