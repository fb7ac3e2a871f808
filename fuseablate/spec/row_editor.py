"""The rows of a table while edits are made, each made once for each set of edits that select it.

What edits make of a row depends on that row and on the edits that select it, and on nothing else.
So they are remembered row by row: a hundred thousand variants of a table share far fewer rows, and
so do the ways to edit a spec without one of its edits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

from fuseablate.errors import InputError, NoChangeError, unknown
from fuseablate.ops import OPS, Row
from fuseablate.ops.table import deepened, depth_of
from fuseablate.spec.edits import STRUCTURE, Edit, widest_first
from fuseablate.spec.row_edits import EditedRow, KnownRow, edit_row
from fuseablate.spec.scaling import channels_of, times_deeper, wider

MOST_ROWS = 1_000_000  # rows, and ways to make them, that are remembered at most
MOST_PLANS = 1000
MOST_FACTORS = 1000  # of the width

Target = tuple[str | None, str]


class EditedRows(NamedTuple):
    """What edits make of the rows of a table."""

    edited: Sequence[EditedRow]
    """One for each row of the table."""
    applied: frozenset[str]
    """The texts of the edits that mean a field of any row."""
    changed: frozenset[str]
    """The texts of those that changed one."""
    residuals: tuple[tuple[Edit, frozenset[str]], ...]
    """The edits that ask for residuals, each with the bases of the rows that it selects."""


class _Plan(NamedTuple):
    """How edits of rows are made, whatever the values that they set."""

    order: tuple[tuple[int, tuple[int, ...]], ...]
    """Of each edit its place among those asked for, and those of its rows; the widest first."""
    explicit: frozenset[Target]
    """What those set that name one id."""
    residuals: tuple[tuple[int, frozenset[str]], ...]
    """Of each edit of `residual` its place, and the bases of the rows that it selects."""
    pick: tuple[Callable[[Sequence[str]], tuple[str, ...]], ...]
    """For each row of the table, what picks the edits that select it, the widest first."""


class RowEditor:
    """Makes edits of one table's rows, any number of times."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        self._depths = [depth_of(rows, row) for row in rows]
        self._plans: dict[tuple[Target, ...], _Plan] = {}
        self._groups = [
            [place for place, _ in repeats]
            for _, repeats in groupby(enumerate(rows), lambda numbered: numbered[1].base)
        ]
        self._forget()

    def _forget(self) -> None:
        self._edited: dict[int, list[dict[tuple[str, ...], EditedRow]]] = {}  # by the divisor
        self._known: dict[Row, KnownRow] = {}
        self._deep: dict[tuple[KnownRow | int, ...], list[KnownRow]] = {}
        self._channels: dict[tuple[Any, ...], KnownRow] = {}  # a row with other ones
        self._wide: dict[tuple[float, int], dict[KnownRow, KnownRow]] = {}  # by factor, divisor
        self._held = 0

    def edit(self, edits: Sequence[Edit], divisor: int, *, idle: bool) -> EditedRows:
        """Return what edits make of the rows, each of them by itself.

        Raise `InputError` for an edit that cannot be made and, unless `idle`, for one that changes
        nothing.
        """
        if self._held >= MOST_ROWS:
            self._forget()
        plan = self._plan(edits)
        edited = self._edit_rows(plan, [edit.text for edit in edits], divisor)
        applied = frozenset[str]().union(*[row.applied for row in edited])
        changed = frozenset[str]().union(*[row.changed for row in edited])
        needed = applied if idle else changed
        if len(needed) < len(edits) or any(row.failure for row in edited):
            self._refuse(plan, edits, edited, idle)
        residuals = [
            (edits[at], bases)
            for at, bases in plan.residuals
            if edits[at].value == "true" and edits[at].text in changed
        ]
        return EditedRows(edited, applied, changed, tuple(residuals))

    def _plan(self, edits: Sequence[Edit]) -> _Plan:
        targets = tuple([edit.target for edit in edits])
        if targets not in self._plans:
            selections = widest_first(self._rows, edits)
            if len(self._plans) >= MOST_PLANS:
                self._plans.clear()
            order = [(edits.index(chosen.edit), chosen.places) for chosen in selections]
            self._plans[targets] = _Plan(
                tuple(order),
                frozenset(chosen.edit.target for chosen in selections if chosen.explicit),
                tuple(
                    (at, frozenset(self._rows[place].base for place in places))
                    for at, places in order
                    if edits[at].field == "residual"
                ),
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
        for place, remembered in enumerate(self._edited[divisor]):
            mine = plan.pick[place](texts)
            try:
                edited = remembered[mine]
            except KeyError:
                self._held += 1
                edits = [(edit, edit.target in plan.explicit) for edit in map(Edit.parse, mine)]
                row, depth = self._rows[place], self._depths[place]
                edited = remembered[mine] = edit_row(row, depth, edits, divisor, self._know)
            edited_rows.append(edited)
        return edited_rows

    def _know(self, row: Row) -> KnownRow:
        known = self._known.get(row)
        if known is None:
            self._held += 1
            known = self._known[row] = KnownRow(row)
        return known

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
                raise NoChangeError(
                    f"{place}: changes nothing: {edit.field} is {edit.value} already"
                )

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

    def made(self, edited_rows: Sequence[EditedRow]) -> list[KnownRow]:
        """Return the rows, each as often as it is to stand in the table."""
        rows = []
        for edited in edited_rows:
            if edited.row is None:
                assert edited.failure is not None
                raise InputError(str(edited.failure.error))
            rows.append(edited.row)
        if all(edited.depth is None for edited in edited_rows):
            return rows
        deep: list[KnownRow] = []
        for places in self._groups:
            group = [rows[place] for place in places]
            deep += self._deepened(group, edited_rows[places[0]].depth)
        return deep

    def _deepened(self, group: list[KnownRow], depth: int | None) -> list[KnownRow]:
        if depth is None:
            return group
        key: tuple[KnownRow | int, ...] = (depth, *group)
        if key not in self._deep:
            self._held += 1
            rows = deepened([known.row for known in group], depth)
            self._deep[key] = [self._know(row) for row in rows]
        return self._deep[key]

    def deeper(self, rows: Sequence[KnownRow], factor: float) -> list[KnownRow]:
        """Return the rows with the depth of each that may repeat times a factor, rounded up."""
        deep: list[KnownRow] = []
        for _, repeats in groupby(rows, attrgetter("base")):
            group = list(repeats)
            repeated = group[0].row.repeats
            deep += self._deepened(group, times_deeper(len(group), factor) if repeated else None)
        return deep

    def wider(self, rows: Sequence[KnownRow], factor: float, divisor: int) -> list[KnownRow]:
        """Return the rows with their channels times a factor."""
        if len(self._wide) >= MOST_FACTORS:
            self._wide.clear()
        remembered = self._wide.setdefault((factor, divisor), {})
        wide = []
        for known in rows:
            try:
                wide.append(remembered[known])
            except KeyError:
                self._held += 1
                remembered[known] = self._wider(known, factor, divisor)
                wide.append(remembered[known])
        return wide

    def _wider(self, known: KnownRow, factor: float, divisor: int) -> KnownRow:
        if known.channels is None:
            known.channels = channels_of(known.row)
        channels = wider(known.row, known.channels, factor, divisor)
        key = (known, *channels.values())
        if key not in self._channels:
            self._channels[key] = self._know(known.row.replaced(channels))
        return self._channels[key]


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
