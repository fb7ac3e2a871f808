"""What a printed table says below its columns: choices that are not at their defaults, branches."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fuseablate.layers import Residual, Sum, contains
from fuseablate.ops import Row
from fuseablate.ops.values import chain
from fuseablate.show.lines import TableLine

COLUMNS = ("kernel", "norm", "exp", "inner", "growth", "out", "se", "nl", "stride")
MOST_NOTES = 12
MOST_ROWS = 12  # rows that one note names


def notes(lines: Sequence[TableLine], *, full: bool) -> list[str]:
    """Return the choices beyond the table's columns, a line each, then rows with branches.

    A choice of all rows of one op is said once; unless `full`, there are no more of each than
    fit below a table.
    """
    found = {}
    for choice, ids in choices(lines).items():
        found[choice] = f"{choice} in {_where(ids, lines, full)}"
    branches = [f"row {line.label}: {text}" for line in lines if (text := branches_text(line.row))]
    if full:
        return [*found.values(), *branches]
    return [
        *_bounded(list(found.values()), MOST_NOTES, "choices"),
        *_bounded(branches, 2 * MOST_NOTES, "rows"),
    ]


def _bounded(texts: list[str], most: int, what: str) -> list[str]:
    left = len(texts) - most
    return texts if left <= 1 else [*texts[:most], f"and {left} more {what}; --all names them"]


def choices(lines: Sequence[TableLine]) -> dict[str, list[str]]:
    """Return the ids of the rows that have each choice that is not a default."""
    found: dict[str, list[str]] = {}
    for line in lines:
        for name, value in beyond_columns(line.row).items():
            if not (name == "residual" and value):
                text = value if isinstance(value, str) else json.dumps(value)
                found.setdefault(f"{name}={text}", []).append(line.row.id)
        # A residual that was asked for is only where the shape permits it.
        if line.row.defaults().get("residual") is False and contains(
            line.last.layer, Residual, Sum
        ):
            found.setdefault("residual=true", []).append(line.row.id)
    return found


def _where(ids: list[str], lines: Sequence[TableLine], full: bool) -> str:
    ops = {line.row.op for line in lines if line.row.id in ids}
    same = [line.row.id for line in lines if line.row.op in ops]
    if len(ops) == 1 and len(ids) > 2 and ids == same:
        return f"every {ops.pop()} row"
    if full or len(ids) <= MOST_ROWS + 1:
        return f"row {', '.join(ids)}"
    return f"row {', '.join(ids[:MOST_ROWS])} and {len(ids) - MOST_ROWS} more"


def beyond_columns(row: Row) -> dict[str, Any]:
    """Return the cells, but for columns and widths, that differ from their defaults."""
    apart = {*COLUMNS, *_widths(row)}
    return {
        name: value
        for name, value in row.values().items()
        if name not in apart and "." not in name and value != row.defaults().get(name)
    }


def branches_text(row: Row) -> str:
    """Return a row's own widths and its branches: `squeeze 16; b2 1x1 96, 3x3 128`."""
    cells = row.values()
    texts = [f"{name} {cells[name]}" for name in _widths(row)]
    defaults = row.defaults()
    for part in row.parts():
        inner = {
            name.removeprefix(f"{part}."): value
            for name, value in cells.items()
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
        if rules[name].scales and name not in COLUMNS and "." not in name
    ]


def _part(cells: Mapping[str, Any]) -> str:
    rest = dict(cells)
    texts = [f"{rest.pop('pool')} pool"] if "pool" in rest else []
    if "kernel" in rest and "out" in rest:
        pairs = chain(rest.pop("kernel"), rest.pop("out"))
        texts += [f"{_kernel(str(kernel))} {out}" for kernel, out in pairs]
    return ", ".join([*texts, *(f"{name}={_text(value)}" for name, value in rest.items())])


def _kernel(text: str) -> str:
    return f"{text}x{text}" if text.isdecimal() else text


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
