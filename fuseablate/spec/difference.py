"""How two specs differ: their keys, and row by row their fields, shapes and costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fuseablate.errors import check_kind
from fuseablate.io.display import Displayed
from fuseablate.spec.keys import SPEC_KEYS, Size
from fuseablate.spec.spec import Spec
from fuseablate.spec.table import InferredRow

Change = tuple[Any, Any]  # what the first has, and what the second; None where it has nothing


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Change]:
    """Return what differs between two tables of values, such as two rows of records' specs."""
    pairs = {name: (before.get(name), after.get(name)) for name in {**before, **after}}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


@dataclass(frozen=True)
class RowDifference:
    """The rows of one id in both specs; None where a spec has no such row."""

    id: str
    before: InferredRow | None
    after: InferredRow | None

    @property
    def fields(self) -> dict[str, Change]:
        """The fields that differ, `op` and `in_shape` (C, H, W) among them, where both rows are."""
        if self.before is None or self.after is None:
            return {}
        return changes(_fields(self.before), _fields(self.after))

    @property
    def sides(self) -> tuple[tuple[InferredRow, ...], tuple[InferredRow, ...]]:
        """The rows of this id in each spec: one or none."""
        return tuple(filter(None, (self.before,))), tuple(filter(None, (self.after,)))


@dataclass(frozen=True)
class Difference(Displayed, view="fuseablate.show:print_difference"):
    """Two specs side by side."""

    specs: tuple[Spec, Spec]

    keys: Mapping[str, Change]
    """The spec's own keys that differ."""
    rows: tuple[RowDifference, ...]
    same: bool
    """Whether both are one network."""

    sides: tuple[tuple[InferredRow, ...], tuple[InferredRow, ...]]
    """All rows of each spec, in their own order."""


def diff(before: Spec, after: Spec, size: Size | None = None) -> Difference:
    """Return how two specs differ on images of `size` (H, W), each table's own by default.

    Rows are aligned by their ids; one that only the second spec has stands below the row that
    it follows there. The same network is one of the same layers, however its table is written.
    Raise `InputError` where a network cannot take images of that size.
    """
    check_kind("before", before, Spec, "load_spec", "fusenet")
    check_kind("after", after, Spec, "load_spec", "fusenet")
    sides = before.infer(size), after.infer(size)
    first, second = ({row.row.id: row for row in rows} for rows in sides)
    ids = list(first)
    place = 0
    for id in second:
        if id not in first:
            ids.insert(place, id)
        place = ids.index(id) + 1
    return Difference(
        specs=(before, after),
        keys=changes(_keys(before), _keys(after)),
        rows=tuple(RowDifference(id, first.get(id), second.get(id)) for id in ids),
        same=before.digest(size) == after.digest(size),
        sides=sides,
    )


def _keys(spec: Spec) -> dict[str, Any]:
    return {key: getattr(spec, key) for key in SPEC_KEYS}


def _fields(row: InferredRow) -> dict[str, Any]:
    return {"op": row.row.op, **row.row.values(), "in_shape": row.in_shape}
