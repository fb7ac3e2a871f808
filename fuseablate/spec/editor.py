"""The editor of a table: edits made at once, and all that can be wrong with them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any, Generic, NamedTuple, TypeVar

from fuseablate.errors import InputError, NoChangeError, unknown
from fuseablate.layers import Residual, Sum, contains
from fuseablate.ops import OPS
from fuseablate.ops.row import base_of
from fuseablate.spec.edits import STRUCTURE, Edit
from fuseablate.spec.keys import SPEC_KEYS, SPEC_RULES, Size, parse_size
from fuseablate.spec.row_editor import EditedRows, RowEditor, Rows
from fuseablate.spec.scaling import factors, resized
from fuseablate.spec.table import Table

T = TypeVar("T", bound=Table)


class Edited(NamedTuple):
    """What edits make of a table, not yet checked as a whole."""

    keys: Mapping[str, Any]
    """The spec's own keys that are set, and the input where it is scaled."""
    rows: Rows
    of_rows: EditedRows
    """What edits of rows made of each."""
    asked: Sequence[Edit]
    unmade: Set[str]
    """The texts of the other edits that are left out, as they change nothing."""

    @property
    def edits(self) -> tuple[Edit, ...]:
        """Those that were made."""
        left_out = self.unmade | self.of_rows.idle()
        return tuple([edit for edit in self.asked if edit.text not in left_out])

    @property
    def dropped(self) -> tuple[str, ...]:
        """Fields that a change of op did away with."""
        return tuple([name for row in self.of_rows.edited for name in row.dropped])

    @property
    def residuals(self) -> tuple[tuple[Edit, frozenset[str]], ...]:
        """The edits that ask for residuals, each with the bases of the rows that it selects."""
        return self.of_rows.residuals

    def check_residuals(self, adds: Sequence[bool]) -> None:
        """Refuse a residual that no selected row can take; a row that cannot is passed over.

        adds: whether each of the rows adds its input.
        """
        for edit, bases in self.residuals:
            ids = zip(self.rows.ids, adds, strict=True)
            if not any(has and base_of(id) in bases for id, has in ids):
                raise InputError(
                    f"edit '{edit.text}': no selected row can take a residual; "
                    "it needs stride 1 and as many channels in as out"
                )


class Editor(Generic[T]):
    """Makes edits of one table, any number of times; what they make of a row is remembered."""

    def __init__(self, table: T) -> None:
        self.table = table
        self._rows = RowEditor(table.rows)

    def edit(
        self, texts: Iterable[str], *, idle: bool = False, scaled_later: bool = False
    ) -> tuple[T, Edited]:
        """Return the table with all edits made, at once, and what they were; see `Spec.edit`.

        An edit that changes nothing is refused or, where `idle`, left out: it is judged when the
        wider ones have been made, and without it the others do what they do. `scaled_later`: a
        divisor stays that says something only once the width is changed.
        """
        after, edited = self._made(texts, idle=idle)
        while text := self._without_effect(after, edited, scaled_later):
            if not idle:
                raise NoChangeError(f"edit '{text}': changes nothing: no layer depends on it here")
            # Of those that were made alone: one that was left out might say something without it.
            rest = [edit.text for edit in edited.edits if edit.text != text]
            after, edited = self._made(rest, idle=True)
        return after, edited

    def _made(self, texts: Iterable[str], *, idle: bool) -> tuple[T, Edited]:
        """Return the table with all edits made that say something new to a row or a key."""
        edited = self.edited([Edit.parse(text) for text in texts], idle=idle)
        edits = edited.edits
        if not edits:
            return self.table, edited
        rows = tuple([known.row.at(id) for id, known in zip(*edited.rows, strict=True)])
        try:
            after = dataclasses.replace(self.table, rows=rows, **edited.keys)
        except InputError as error:
            raise error.within(_named(edits)) from None
        if edited.residuals:
            edited.check_residuals([contains(row.layer, Residual, Sum) for row in after.infer()])
        return after, edited

    def _without_effect(self, after: T, edited: Edited, scaled_later: bool) -> str | None:
        """Return the first edit without which the others make the same network."""
        layers = after.layers()
        texts = [edit.text for edit in edited.edits]
        for at, text in enumerate(texts):
            if scaled_later and Edit.parse(text).field == "divisor":
                continue
            try:
                without, _ = self._made([*texts[:at], *texts[at + 1 :]], idle=True)
            except InputError:  # the others cannot be made without it
                continue
            if without.input == after.input and without.layers() == layers:
                return text
        return None

    def edited(self, edits: Sequence[Edit], *, idle: bool) -> Edited:
        """Return what edits make of the table's keys and rows; see `edit`.

        Raise `InputError` for all that can be said without looking at the whole network.
        """
        of_rows = [edit for edit in edits if edit.of_rows]
        others = [edit for edit in edits if not edit.of_rows]
        left_out: set[str] = set()

        def leave_out(edit: Edit, why: str) -> None:
            if not idle:
                raise NoChangeError(f"edit '{edit.text}': changes nothing{why}")
            left_out.add(edit.text)

        keys = self._keys(others, leave_out) if others else {}
        divisor: int = keys.get("divisor", self.table.divisor)
        edited = self._rows.edit(of_rows, divisor, idle=idle)
        try:
            rows = self._rows.made(edited)
            if others:
                rows = self._scaled(rows, keys, others, divisor, leave_out)
        except NoChangeError:
            raise  # it names its one edit already
        except InputError as error:
            raise error.within(_named(edits)) from None
        return Edited(keys, rows, edited, edits, left_out)

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

    def _scaled(
        self,
        rows: Rows,
        keys: dict[str, Any],
        edits: Sequence[Edit],
        divisor: int,
        leave_out: Callable[[Edit, str], None],
    ) -> Rows:
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
                after = self._rows.deeper(after, by["depth"])
            if "width" in by:
                after = self._rows.wider(after, by["width"], divisor)
            after_size = resized(size, by.get("resolution", 1))
            if (after.known, after_size) == (rows.known, size):
                stay = f": channels on the divisor {divisor} stay as they are"
                leave_out(edit, stay if edit.field == "width" else "")
            rows, size = after, after_size
        if size != self.table.input:
            keys["input"] = size
        return rows


def _named(edits: Sequence[Edit]) -> str:
    return f"edit '{' '.join(edit.text for edit in edits)}'"
