"""The tables of networks side by side, with the fields that an edit changed, and the recipe."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fuseablate.ops import OPS
from fuseablate.report.comparison import Comparison
from fuseablate.spec import Change, changes

KEYS = ("classes", "dropout", "drop_path", "norm_eps", "norm_momentum")  # beside the rows
USUAL_FIELDS = ("id", "op", "kernel", "exp", "out", "se", "nl", "stride")  # of a published table


@dataclass(frozen=True)
class FieldText:
    """A field of a row as text, and as it stood in the reference where it differs; "" is none."""

    text: str
    before: str | None = None

    @property
    def edited(self) -> bool:
        return self.before is not None


@dataclass(frozen=True)
class NetworkTable:
    """A network's rows, a field for each column."""

    columns: tuple[str, ...]
    rows: tuple[tuple[FieldText, ...], ...]
    notes: tuple[str, ...] = ()
    """What differs beside the rows that both have, in words."""


def networks(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """Return the network's table of each variant that was trained, compared with the first."""
    trained = [variant for variant in comparison.variants if variant.runs]
    reference = trained[0].runs[0].spec
    for at, variant in enumerate(trained):
        spec = variant.runs[0].spec
        table = compared(spec, reference) if is_variant(spec, reference) else alone(spec)
        yield {
            "variant": variant,
            "open": at == min(1, len(trained) - 1),
            "table": table,
            "notes": table.notes,
        }


def is_variant(spec: Mapping[str, Any], reference: Mapping[str, Any]) -> bool:
    """Whether half of the rows or more have the reference's ops; else it is another network."""
    ops = {row["id"]: row["op"] for row in reference["rows"]}
    rows: Sequence[Mapping[str, Any]] = spec["rows"]
    same = [bool(ops.get(row["id"]) == row["op"]) for row in rows]
    return 2 * sum(same) >= len(same)


def alone(spec: Mapping[str, Any]) -> NetworkTable:
    """Return a network of its own: the columns of a published table, and what is not usual."""
    rows: Sequence[Mapping[str, Any]] = spec["rows"]
    unusual = [
        key
        for row in rows
        for defaults in (OPS[row["op"]].defaults() if row["op"] in OPS else {},)
        for key, value in row.items()
        if value is not None and value != defaults.get(key)
    ]
    columns = tuple(dict.fromkeys((*USUAL_FIELDS, *unusual)))
    return NetworkTable(
        columns,
        tuple(tuple(FieldText(_text(row.get(column))) for column in columns) for row in rows),
        ("another network: its rows are not compared",),
    )


def compared(spec: Mapping[str, Any], reference: Mapping[str, Any]) -> NetworkTable:
    """Compare a record's spec with the reference's, row by row by id.

    The columns are those of a published table and each other one in which something differs.
    """
    rows: Sequence[Mapping[str, Any]] = spec["rows"]
    before = {row["id"]: row for row in reference["rows"]}
    now = {row["id"] for row in rows}
    edited = {row["id"]: changes(before[row["id"]], row) for row in rows if row["id"] in before}
    columns = tuple(
        dict.fromkeys((*USUAL_FIELDS, *(name for row in edited.values() for name in row)))
    )
    removed = [str(name) for name in before if name not in now]
    added = [str(row["id"]) for row in rows if row["id"] not in before]
    whole = changes(reference, spec)
    return NetworkTable(
        columns,
        tuple(tuple(_field(row, edited.get(row["id"]), name) for name in columns) for row in rows),
        (
            *([f"rows removed: {', '.join(removed)}"] if removed else []),
            *([f"rows added: {', '.join(added)}"] if added else []),
            *(f"{key}: {' to '.join(map(_text, whole[key]))}" for key in KEYS if key in whole),
        ),
    )


def _field(row: Mapping[str, Any], edited: Mapping[str, Change] | None, name: str) -> FieldText:
    text = _text(row.get(name))
    if edited is None:  # the reference has no such row
        return FieldText(text, "")
    return FieldText(text, _text(edited[name][0])) if name in edited else FieldText(text)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def setting(comparison: Comparison) -> list[tuple[str, str]]:
    """Return the recipe of the reference, and where its runs and all others were trained."""
    runs = [run for _, run in comparison.runs]
    environment: dict[str, list[str]] = {}  # the values of each key, once each
    for run in runs:
        for key, value in run.environment.items():
            values = environment.setdefault(key, [])
            if _written(value) not in values:
                values.append(_written(value))
    return [
        *((key, _written(value)) for key, value in runs[0].recipe.items()),
        *((key, " / ".join(values)) for key, values in environment.items()),
    ]


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
