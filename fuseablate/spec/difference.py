"""How two specs differ: their keys, and row by row their cells, shapes and costs. Without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fuseablate.layers import Cost
from fuseablate.spec.keys import SPEC_KEYS, Size
from fuseablate.spec.spec import Spec
from fuseablate.spec.table import InferredRow

Change = tuple[
    Any, Any
]  # what stands in the first spec, and in the second; None where nothing does


@dataclass(frozen=True)
class RowPair:
    """The rows of one id in both specs; None where a spec has no such row."""

    id: str
    before: InferredRow | None
    after: InferredRow | None

    @property
    def cells(self) -> dict[str, Change]:
        """The cells that differ, `op` and `in_shape` (C, H, W) among them, where both rows are."""
        if self.before is None or self.after is None:
            return {}
        return _unlike(_cells(self.before), _cells(self.after))

    @property
    def params(self) -> tuple[int, int]:
        """The params of both rows; 0 for one that is not there."""
        return _cost(self.before).params, _cost(self.after).params

    @property
    def macs(self) -> tuple[int, int]:
        """The MACs of both rows; 0 for one that is not there."""
        return _cost(self.before).macs, _cost(self.after).macs


@dataclass(frozen=True)
class Difference:
    """Two specs side by side. keys: the spec's own keys that differ. same: one network or two."""

    keys: Mapping[str, Change]
    rows: tuple[RowPair, ...]
    same: bool

    @property
    def params(self) -> tuple[int, int]:
        """The params of both specs."""
        first, second = zip(*(row.params for row in self.rows), strict=True)
        return sum(first), sum(second)

    @property
    def macs(self) -> tuple[int, int]:
        """The MACs of both specs for one image each."""
        first, second = zip(*(row.macs for row in self.rows), strict=True)
        return sum(first), sum(second)


def compare(before: Spec, after: Spec, size: Size | None = None) -> Difference:
    """Return how two specs differ on images of `size` (H, W), each table's own by default.

    Rows are aligned by their ids; one that only the second spec has stands below the row that
    it follows there. The same network is one of the same layers, however its table is written.
    Raise `InputError` where a network cannot take images of that size.
    """
    first = {traced.row.id: traced for traced in before.infer(size)}
    second = {traced.row.id: traced for traced in after.infer(size)}
    ids = list(first)
    place = 0
    for id in second:
        if id not in first:
            ids.insert(place, id)
        place = ids.index(id) + 1
    return Difference(
        keys=_unlike(_keys(before), _keys(after)),
        rows=tuple(RowPair(id, first.get(id), second.get(id)) for id in ids),
        same=before.digest(size) == after.digest(size),
    )


def _unlike(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Change]:
    pairs = {name: (before.get(name), after.get(name)) for name in {**before, **after}}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _keys(spec: Spec) -> dict[str, Any]:
    return {key: getattr(spec, key) for key in SPEC_KEYS}


def _cells(traced: InferredRow) -> dict[str, Any]:
    return {"op": traced.row.op, **traced.row.values(), "in_shape": traced.in_shape}


def _cost(traced: InferredRow | None) -> Cost:
    return traced.cost if traced else Cost()
