"""The lines of a printed table, a row or repeats of one each, and what is said below them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from fuseablate.layers import Cost, Residual, Sum, contains
from fuseablate.ops import Row
from fuseablate.ops.fields import chain
from fuseablate.spec import InferredRow

NORMS = {"batch": "BN", "group": "GN", "layer": "LN"}
COLUMN_FIELDS = ("kernel", "norm", "exp", "inner", "growth", "out", "se", "nl", "stride")
MOST_NOTES = 12
NAMED_ROWS = 12  # rows that one note names


@dataclass(frozen=True)
class TableLine:
    """Rows that stand in one line: from the input of the first to the output of the last."""

    rows: tuple[InferredRow, ...]

    @property
    def first(self) -> InferredRow:
        """The row that the line is named after."""
        return self.rows[0]

    @property
    def last(self) -> InferredRow:
        """The row whose output is the line's."""
        return self.rows[-1]

    @property
    def row(self) -> Row:
        """The fields, which all rows of the line share."""
        return self.first.row

    @property
    def label(self) -> str:
        """The first row's id and, where there are more rows, how many: `5/2 x3`."""
        return f"{self.row.id} x{len(self.rows)}" if len(self.rows) > 1 else self.row.id

    @property
    def cost(self) -> Cost:
        """The cost of all rows of the line."""
        return Cost.total(row.cost for row in self.rows)


def folded(rows: Sequence[InferredRow]) -> list[TableLine]:
    """Return the lines with repeats of a row, whose fields are all equal, in one line.

    Their shapes may differ: each takes what the one before puts out.
    """

    def key(row: InferredRow) -> tuple[object, ...]:
        return row.row.base, row.row.op, tuple(row.row.values().items())

    return [TableLine(tuple(group)) for _, group in groupby(rows, key)]


def unfolded(rows: Sequence[InferredRow]) -> list[TableLine]:
    return [TableLine((row,)) for row in rows]


def notes(lines: Sequence[TableLine], *, full: bool) -> list[str]:
    """Return the choices beyond the table's columns, a line each, then rows with branches.

    A choice of all rows of one op is said once; unless `full`, there are no more of each than
    fit below a table.
    """
    chosen = [f"{choice} in {_where(ids, lines, full)}" for choice, ids in choices(lines).items()]
    if bare := [line.row.id for line in lines if _lacks_a_norm(line.last)]:
        where = _where(bare, lines, full)
        chosen.append(f'no norm before the activation in {where}: norm = "batch" adds one')
    branches = [f"row {line.label}: {text}" for line in lines if (text := branches_text(line.row))]
    if full:
        return [*chosen, *branches]
    return [
        *_bounded(chosen, MOST_NOTES, "choices"),
        *_bounded(branches, 2 * MOST_NOTES, "rows"),
    ]


def _bounded(texts: list[str], most: int, what: str) -> list[str]:
    left = len(texts) - most
    return texts if left <= 1 else [*texts[:most], f"and {left} more {what}; --all names them"]


def choices(lines: Sequence[TableLine]) -> dict[str, list[str]]:
    """Return the ids of the rows that have each choice that is not a default."""
    rows: dict[str, list[str]] = {}
    for line in lines:
        for name, value in beyond_columns(line.row).items():
            if not (name == "residual" and value):
                rows.setdefault(f"{name}={value_text(value)}", []).append(line.row.id)
        # A residual that was asked for is only where the shape permits it.
        if line.row.defaults().get("residual") is False and contains(
            line.last.layer, Residual, Sum
        ):
            rows.setdefault("residual=true", []).append(line.row.id)
    return rows


def _lacks_a_norm(row: InferredRow) -> bool:
    """Whether a convolution has an activation and, unsaid, no norm; on 1x1 maps few have one."""
    values = row.row.values()
    bare = row.row.op == "conv" and values.get("norm") is None
    active = values.get("nl", "identity") != "identity"
    return bare and active and row.out_shape[1:] not in ((), (1, 1))


def _where(ids: list[str], lines: Sequence[TableLine], full: bool) -> str:
    ops = {line.row.op for line in lines if line.row.id in ids}
    same = [line.row.id for line in lines if line.row.op in ops]
    if len(ops) == 1 and len(ids) > 2 and ids == same:
        return f"every {ops.pop()} row"
    if full or len(ids) <= NAMED_ROWS + 1:
        return f"row {', '.join(ids)}"
    return f"row {', '.join(ids[:NAMED_ROWS])} and {len(ids) - NAMED_ROWS} more"


def beyond_columns(row: Row) -> dict[str, Any]:
    """Return the fields, but for columns and widths, that differ from their defaults."""
    apart = {*COLUMN_FIELDS, *_widths(row)}
    return {
        name: value
        for name, value in row.values().items()
        if name not in apart and "." not in name and value != row.defaults().get(name)
    }


def branches_text(row: Row) -> str:
    """Return a row's own widths and its branches: `squeeze 16; b2 1x1 96, 3x3 128`."""
    values = row.values()
    texts = [f"{name} {values[name]}" for name in _widths(row)]
    defaults = row.defaults()
    for part in row.parts():
        inner = {
            name.removeprefix(f"{part}."): value
            for name, value in values.items()
            if name.startswith(f"{part}.")
            and (name not in defaults or value != defaults[name] or name.endswith(".kernel"))
        }
        if inner:
            texts.append(f"{part} {_part(inner)}")
    return "; ".join(texts)


def _widths(row: Row) -> list[str]:
    """Return the names of the row's channel counts that have no column."""
    rules = row.rules()
    return [
        name
        for name in row.values()
        if rules[name].scales and name not in COLUMN_FIELDS and "." not in name
    ]


def _part(values: Mapping[str, Any]) -> str:
    rest = dict(values)
    texts = [f"{rest.pop('pool')} pool"] if "pool" in rest else []
    if "kernel" in rest and "out" in rest:
        pairs = chain(rest.pop("kernel"), rest.pop("out"))
        texts += [f"{_kernel(str(kernel))} {out}" for kernel, out in pairs]
    return ", ".join([*texts, *(f"{name}={value_text(value)}" for name, value in rest.items())])


def _kernel(text: str) -> str:
    return f"{text}x{text}" if text.isdecimal() else text


def value_text(value: Any) -> str:
    """Return the value of a field as an edit writes it."""
    return value if isinstance(value, str) else json.dumps(value)
