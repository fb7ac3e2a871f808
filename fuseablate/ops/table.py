"""Rows from the tables that a file or a record writes, and their ids."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fuseablate.errors import InputError, unknown
from fuseablate.ops.fields import Int
from fuseablate.ops.regnet import GENERATORS
from fuseablate.ops.row import Row

DEPTH = Int(most=1000)


def read_rows(tables: Any, ops: Mapping[str, type[Row]]) -> tuple[Row, ...]:
    """Return the rows; `depth = n` stands for n rows, of which only the first strides.

    A row of a generator's name stands for the rows that it generates.
    """
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise InputError("rows: write each row as a [[rows]] table")
    rows: list[Row] = []
    for number, table in enumerate(_generated(tables), 1):
        values = dict(table)
        id = str(values.pop("id", number))
        if "op" not in values:
            choices = ", ".join((*ops, *GENERATORS))
            raise InputError(f"row {id}: needs a value for 'op' (choices: {choices})")
        name = values.pop("op")
        if not isinstance(name, str) or name not in ops:
            raise unknown("op", name, (*ops, *GENERATORS)).within(f"row {id}")
        depth = values.pop("depth", 1)
        row = ops[name].from_values(id, values)
        try:
            DEPTH.check(depth)
        except InputError as error:
            raise error.within(f"row {id}: depth") from None
        rows += [row, *repeated(row, depth)]
    return tuple(rows)


def _generated(tables: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    generated: list[dict[str, Any]] = []
    for table in tables:
        name = table.get("op")
        if isinstance(name, str) and name in GENERATORS:
            try:
                generated += GENERATORS[name](table)
            except InputError as error:
                raise error.within(f"row {len(generated) + 1}") from None
        else:
            generated.append(table)
    return generated


def repeated(row: Row, depth: int, after: int = 1) -> list[Row]:
    """Return the repeats of `row` that make `after` rows `depth`: `5/2`, `5/3`, with stride 1."""
    if depth > 1 and not row.repeats:
        raise InputError(f"row {row.id}: depth: op '{row.op}' is not repeated; use 1")
    base = row.base
    changes: dict[str, Any] = {"stride": 1} if "stride" in row.rules() else {}
    return [
        dataclasses.replace(row, id=f"{base}/{number}", **changes)
        for number in range(after + 1, depth + 1)
    ]


def deepened(group: list[Row], depth: int) -> list[Row]:
    """Return a row and its repeats at another depth."""
    return group[:depth] + repeated(group[-1], depth, after=len(group))


def depth_of(rows: Sequence[Row], row: Row) -> int:
    """Return how many of the table's rows are `row` and its repeats."""
    return sum(other.base == row.base for other in rows)


def check_ids(rows: Sequence[Row]) -> None:
    """Refuse an id that selectors cannot name, and a repeat that does not follow its row."""
    before = ""
    seen: set[str] = set()
    for row in rows:
        if not re.fullmatch(r"[0-9]+(/[0-9]+)?", row.id):
            raise InputError(
                f"row '{row.id}': an id is a number such as 5, or 5/2 for a repeat of row 5"
            )
        base, slash, number = row.id.partition("/")
        if slash and before != (base if number == "2" else f"{base}/{int(number) - 1}"):
            raise InputError(
                f"row {row.id}: repeats stand right behind their row, as {base}, {base}/2 do"
            )
        if row.id in seen:
            raise InputError(f"row {row.id} appears twice; a row's id must be its own")
        seen.add(row.id)
        before = row.id
