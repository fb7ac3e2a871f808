"""The tables of two networks side by side: which cells an edit changed. Without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fuseablate.ops import OPS

WHOLE = ("classes", "dropout", "drop_path", "norm_eps", "norm_momentum")  # what builds it
MAIN = ("id", "op", "kernel", "exp", "out", "se", "nl", "stride")


@dataclass(frozen=True)
class Cell:
    """A cell as text, and as it stood in the reference where it differs; "" is no value."""

    text: str
    before: str | None = None

    @property
    def edited(self) -> bool:
        """Whether the cell differs from the reference's."""
        return self.before is not None


@dataclass(frozen=True)
class Compared:
    """A network's rows, each a cell a column; the ids of rows that it lacks or has anew.

    whole: what differs of the network as a whole, such as its dropout, in words.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    removed: tuple[str, ...]
    added: tuple[str, ...]
    whole: tuple[str, ...]


def is_variant(spec: Mapping[str, Any], reference: Mapping[str, Any]) -> bool:
    """Whether half of the rows or more have the reference's ops; else it is another network."""
    ops = {row["id"]: row["op"] for row in reference["rows"]}
    rows: Sequence[Mapping[str, Any]] = spec["rows"]
    same = [bool(ops.get(row["id"]) == row["op"]) for row in rows]
    return 2 * sum(same) >= len(same)


def alone(spec: Mapping[str, Any]) -> Compared:
    """Return a network of its own: the columns of a published table, and what is not usual."""
    rows: Sequence[Mapping[str, Any]] = spec["rows"]
    unusual = [
        key
        for row in rows
        for usual in (OPS[row["op"]].defaults() if row["op"] in OPS else {},)
        for key, value in row.items()
        if value is not None and value != usual.get(key)
    ]
    columns = tuple(dict.fromkeys((*MAIN, *unusual)))
    cells = tuple(tuple(Cell(_text(row.get(column))) for column in columns) for row in rows)
    return Compared(columns, cells, removed=(), added=(), whole=())


def compared(spec: Mapping[str, Any], reference: Mapping[str, Any]) -> Compared:
    """Compare a record's spec with the reference's, row by row by id.

    The columns are those of a published table and each other one in which something differs.
    """
    rows: Sequence[Mapping[str, Any]] = spec["rows"]
    before = {row["id"]: row for row in reference["rows"]}
    now = {row["id"] for row in rows}
    changed = [
        key
        for row in rows
        if (old := before.get(row["id"]))
        for key in (*row, *old)
        if row.get(key) != old.get(key)
    ]
    columns = tuple(dict.fromkeys((*MAIN, *changed)))
    return Compared(
        columns=columns,
        rows=tuple(
            tuple(_cell(row, before.get(row["id"]), column) for column in columns) for row in rows
        ),
        removed=tuple(str(name) for name in before if name not in now),
        added=tuple(str(row["id"]) for row in rows if row["id"] not in before),
        whole=tuple(
            f"{key}: {_text(reference.get(key))} to {_text(spec.get(key))}"
            for key in WHOLE
            if spec.get(key) != reference.get(key)
        ),
    )


def _cell(row: Mapping[str, Any], old: Mapping[str, Any] | None, column: str) -> Cell:
    text = _text(row.get(column))
    if old is None:
        return Cell(text, "")
    before = _text(old.get(column))
    return Cell(text) if before == text else Cell(text, before)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
