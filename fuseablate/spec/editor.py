"""The editor of a table: makes edits of it, each row once for each set of edits that select it.

What edits make of a row depends on that row and on the edits that select it, and on nothing else.
So an editor remembers them row by row: a hundred thousand variants of a table share far fewer rows,
and so do the ways to edit a spec without one of its edits.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any, Generic, NamedTuple, TypeVar

from fuseablate.errors import InputError, NoChangeError, unknown
from fuseablate.layers import Residual, Sum, contains
from fuseablate.ops import OPS, Row
from fuseablate.ops.table import deepened, depth_of
from fuseablate.spec.edits import STRUCTURE, Edit, widest_first
from fuseablate.spec.keys import SPEC_KEYS, SPEC_RULES, Size, parse_size
from fuseablate.spec.row_edits import EditedRow, KnownRow, edit_row
from fuseablate.spec.scaling import channels_of, factors, resized, times_deeper, wider
from fuseablate.spec.table import Table

MOST_ROWS = 200_000  # rows, and ways to make them, that are remembered at most
MOST_PLANS = 1000

T = TypeVar("T", bound=Table)
Target = tuple[str | None, str]


class Edited(NamedTuple):
    """What edits make of a table, not yet checked as a whole."""

    keys: Mapping[str, Any]
    """The spec's own keys that are set, and the input where it is scaled."""
    rows: Sequence[KnownRow]
    edits: tuple[Edit, ...]
    """Those that were made."""
    dropped: tuple[str, ...]
    """Fields that a change of op did away with."""
    residuals: tuple[tuple[Edit, frozenset[str]], ...]
    """The edits that ask for residuals, each with the bases of the rows that it selects."""

    def check_residuals(self, adds: Sequence[bool]) -> None:
        """Refuse a residual that no selected row can take; a row that cannot is passed over.

        adds: whether each of the rows adds its input.
        """
        for edit, bases in self.residuals:
            if not any(has and row.base in bases for row, has in zip(self.rows, adds, strict=True)):
                raise InputError(
                    f"edit '{edit.text}': no selected row can take a residual; "
                    "it needs stride 1 and as many channels in as out"
                )


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


class Editor(Generic[T]):
    """Makes edits of one table, any number of times."""

    def __init__(self, table: T) -> None:
        self.table = table
        self._depths = [depth_of(table.rows, row) for row in table.rows]
        self._plans: dict[tuple[Target, ...], _Plan] = {}
        self._groups = [
            [place for place, _ in repeats]
            for _, repeats in groupby(enumerate(table.rows), lambda numbered: numbered[1].base)
        ]
        self._forget()

    def _forget(self) -> None:
        self._edited: dict[int, list[dict[tuple[str, ...], EditedRow]]] = {}  # by the divisor
        self._known: dict[Row, KnownRow] = {}
        self._deep: dict[tuple[KnownRow | int, ...], list[KnownRow]] = {}
        self._held = 0

    def edit(
        self, texts: Iterable[str], *, idle: bool = False, scaled_later: bool = False
    ) -> tuple[T, Edited]:
        """Return the table with all edits made, at once, and what they were; see `Spec.edit`.

        An edit that changes nothing is refused or, where `idle`, left out: it is judged when the
        wider ones have been made, and without it the others do what they do. Of those that change a
        field on which no layer depends, none is left out, and each is refused unless `idle`.
        """
        edited = self.edited([Edit.parse(text) for text in texts], idle=idle)
        if not edited.edits:
            return self.table, edited
        rows = tuple([known.row for known in edited.rows])
        try:
            after = dataclasses.replace(self.table, rows=rows, **edited.keys)
        except InputError as error:
            raise error.within(_named(edited.edits)) from None
        if edited.residuals:
            edited.check_residuals([contains(row.layer, Residual, Sum) for row in after.infer()])
        if not idle:
            self._check_effect(after, [edit.text for edit in edited.edits], scaled_later)
        return after, edited

    def _check_effect(self, after: T, texts: Sequence[str], scaled_later: bool) -> None:
        """Refuse an edit without which the others make the same network."""
        layers = after.layers()
        for at, text in enumerate(texts):
            if scaled_later and Edit.parse(text).field == "divisor":
                continue
            try:
                without, _ = self.edit([*texts[:at], *texts[at + 1 :]], idle=True)
            except InputError:  # the others cannot be made without it
                continue
            if without.input == after.input and without.layers() == layers:
                raise NoChangeError(f"edit '{text}': changes nothing: no layer depends on it here")

    def edited(self, edits: Sequence[Edit], *, idle: bool) -> Edited:
        """Return what edits make of the table's keys and rows; see `edit`.

        Raise `InputError` for all that can be said without looking at the whole network.
        """
        if self._held >= MOST_ROWS:
            self._forget()
        of_rows = [edit for edit in edits if edit.of_rows]
        others = [edit for edit in edits if not edit.of_rows]
        left_out: set[str] = set()

        def leave_out(edit: Edit, why: str) -> None:
            if not idle:
                raise NoChangeError(f"edit '{edit.text}': changes nothing{why}")
            left_out.add(edit.text)

        keys = self._keys(others, leave_out) if others else {}
        divisor: int = keys.get("divisor", self.table.divisor)
        plan = self._plan(of_rows)
        edited_rows = self._edit_rows(plan, [edit.text for edit in of_rows], divisor)
        applied = frozenset[str]().union(*[row.applied for row in edited_rows])
        changed = frozenset[str]().union(*[row.changed for row in edited_rows])
        needed = applied if idle else changed
        if len(needed) < len(of_rows) or any(row.failure for row in edited_rows):
            self._refuse(plan, of_rows, edited_rows, idle)
        left_out |= applied - changed
        try:
            rows = self._made(edited_rows)
            if others:
                rows = self._scaled(rows, keys, others, divisor, leave_out)
        except NoChangeError:
            raise  # it names its one edit already
        except InputError as error:
            raise error.within(_named(edits)) from None
        return Edited(
            keys,
            rows,
            tuple([edit for edit in edits if edit.text not in left_out]),
            tuple([name for row in edited_rows for name in row.dropped]),
            tuple(
                [
                    (of_rows[at], bases)
                    for at, bases in plan.residuals
                    if of_rows[at].value == "true" and of_rows[at].text in changed
                ]
            ),
        )

    def _keys(
        self, edits: Sequence[Edit], leave_out: Callable[[Edit, str], None]
    ) -> dict[str, Any]:
        """Return the spec's own keys that edits set."""
        keys: dict[str, Any] = {}
        for edit in edits:
            if edit.rows is not None:
                continue
            try:
                if edit.field not in SPEC_KEYS:
                    if any(edit.field in (*op.rules(), *STRUCTURE) for op in OPS.values()):
                        raise InputError(
                            f"'{edit.field}' is a field of rows; say which, as in all.{edit.text}"
                        )
                    raise unknown("key of the spec", edit.field, SPEC_KEYS)
                if edit.field in keys:
                    raise InputError(f"'{edit.field}' is set twice")
                old = getattr(self.table, edit.field)
                if edit.field == "input":
                    value: Any = parse_size(edit.value)
                else:
                    value = edit.new_value(SPEC_RULES[edit.field], old, self.table.divisor)
            except InputError as error:
                raise error.within(f"edit '{edit.text}'") from None
            if value == old:
                leave_out(edit, f": '{edit.field}' is {edit.value} already")
            else:
                keys[edit.field] = value
        return keys

    def _plan(self, edits: Sequence[Edit]) -> _Plan:
        targets = tuple([edit.target for edit in edits])
        if targets not in self._plans:
            selections = widest_first(self.table.rows, edits)
            if len(self._plans) >= MOST_PLANS:
                self._plans.clear()
            order = [(edits.index(chosen.edit), chosen.places) for chosen in selections]
            self._plans[targets] = _Plan(
                tuple(order),
                frozenset(chosen.edit.target for chosen in selections if chosen.explicit),
                tuple(
                    (at, frozenset(self.table.rows[place].base for place in places))
                    for at, places in order
                    if edits[at].field == "residual"
                ),
                tuple(
                    _picker([at for at, places in order if place in places])
                    for place in range(len(self.table.rows))
                ),
            )
        return self._plans[targets]

    def _edit_rows(self, plan: _Plan, texts: Sequence[str], divisor: int) -> list[EditedRow]:
        """Return what edits make of each row, remembered by the texts of those that select it."""
        if divisor not in self._edited:
            self._edited[divisor] = [{} for _ in self.table.rows]
        edited_rows = []
        for place, remembered in enumerate(self._edited[divisor]):
            mine = plan.pick[place](texts)
            try:
                edited = remembered[mine]
            except KeyError:
                self._held += 1
                edits = [(edit, edit.target in plan.explicit) for edit in map(Edit.parse, mine)]
                row, depth = self.table.rows[place], self._depths[place]
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
            self.table.rows[place]
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

    def _made(self, edited_rows: Sequence[EditedRow]) -> list[KnownRow]:
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

    def _scaled(
        self,
        rows: list[KnownRow],
        keys: dict[str, Any],
        edits: Sequence[Edit],
        divisor: int,
        leave_out: Callable[[Edit, str], None],
    ) -> list[KnownRow]:
        """Return the rows with the whole network scaled where edits say so, and put in the size."""
        size: Size = keys.get("input", self.table.input)
        seen: set[str] = set()
        for edit in edits:
            if edit.rows is None:
                continue
            by = factors(edit.field, edit.value)
            if twice := seen & set(by):
                raise InputError(f"'scale.{min(twice)}' is set twice")
            seen |= set(by)
            after = rows
            if "depth" in by:
                after = self._deeper(after, by["depth"])
            if "width" in by:
                after = [self._wider(known, by["width"], divisor) for known in after]
            after_size = resized(size, by.get("resolution", 1))
            if (after, after_size) == (rows, size):
                stay = f": channels on the divisor {divisor} stay as they are"
                leave_out(edit, stay if edit.field == "width" else "")
            rows, size = after, after_size
        if size != self.table.input:
            keys["input"] = size
        return rows

    def _deeper(self, rows: Sequence[KnownRow], factor: float) -> list[KnownRow]:
        deep: list[KnownRow] = []
        for _, repeats in groupby(rows, attrgetter("base")):
            group = list(repeats)
            repeated = group[0].row.repeats
            deep += self._deepened(group, times_deeper(len(group), factor) if repeated else None)
        return deep

    def _wider(self, known: KnownRow, factor: float, divisor: int) -> KnownRow:
        if known.channels is None:
            known.channels = channels_of(known.row)
        channels = wider(known.row, known.channels, factor, divisor)
        key = tuple(channels.values())
        if key not in known.wider:
            known.wider[key] = self._know(known.row.replaced(channels))
        return known.wider[key]


def _picker(places: Sequence[int]) -> Callable[[Sequence[str]], tuple[str, ...]]:
    """Return what takes the texts at these places; `itemgetter` gives a bare text for one."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda texts: tuple([texts[place] for place in places])


def _named(edits: Sequence[Edit]) -> str:
    return f"edit '{' '.join(edit.text for edit in edits)}'"


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
