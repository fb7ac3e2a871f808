"""What many variants of one spec cost: each row is made and traced once. Without torch.

What edits make of a row depends on that row and on the edits that select it, and on nothing
else. So a variant is looked up row by row: 100,000 variants share far fewer rows. `edited` makes
rows by the same means (`EditedRow`); it makes a whole spec, and says what is wrong with an edit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import NamedTuple

from fuseablate.cost.costs import measure
from fuseablate.errors import InputError
from fuseablate.layers import Residual, Shape, Sum, contains
from fuseablate.ops import Row, Settings
from fuseablate.ops.table import deepened, depth_of
from fuseablate.spec import IMAGE_CHANNELS, SPEC_KEYS, Edit, Size, Spec
from fuseablate.spec.row_edits import EditedRow, widest_first
from fuseablate.spec.scaling import SCALE

MOST_ROWS = 200_000  # rows, and ways to make them, that are remembered at most
MOST_PLANS = 1000


class Counted(NamedTuple):
    """A variant in numbers: `table` differs where the cells do; `macs` are those of one image."""

    table: tuple[int, ...]
    params: int
    macs: int


class _Passed(NamedTuple):
    """A row at one input shape: what comes out, what it costs, whether it adds its input."""

    out: Shape
    params: int
    macs: int
    adds: bool


class _Kept:
    """A row, and what it does with each shape that it was given: None where it takes none."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.passed: dict[Shape, _Passed | None] = {}
        self.content = _number(row.id, row.op, row.values())

    def infer(self, shape: Shape, settings: Settings) -> _Passed | None:
        try:
            layer = self.row.layers(shape, settings)
            out, cost = layer.infer(shape)
        except InputError:
            return None
        return _Passed(out, cost.params, cost.macs, contains(layer, Residual, Sum))


class _Made(NamedTuple):
    """What edits make of a row. Of their bits, those that meet a cell of it and change one."""

    kept: _Kept
    depth: int | None
    met: int
    changed: int


class _Plan(NamedTuple):
    """How edits are made that set certain fields of certain rows, whatever their values are.

    by_row: for each row of the table, what picks the edits that select it, the widest first.
    bits: those of all edits. explicit: the bits of those whose rows one id names. residuals: of
    each edit of residuals its place, its bit, and the ids of the rows that it selects.
    """

    by_row: tuple[Callable[[Sequence[str]], tuple[str, ...]], ...]
    bits: int
    explicit: int
    residuals: tuple[tuple[int, int, frozenset[str]], ...]


class Variants:
    """The variants of `spec` at input `size` (H, W), the table's own by default."""

    def __init__(self, spec: Spec, size: Size | None = None) -> None:
        self._spec, self._size = spec, size
        self._settings = Settings(spec.classes, spec.dropout)  # what costs depend on
        self._depths = [depth_of(spec.rows, row) for row in spec.rows]
        self._plans: dict[tuple[tuple[str | None, str], ...], _Plan | None] = {}
        self._bits: dict[tuple[str | None, str], int] = {}
        self._forget()

    def _forget(self) -> None:
        self._made: list[dict[tuple[str, ...], _Made | None]] = [{} for _ in self._spec.rows]
        self._kept: dict[Row, _Kept] = {}
        self._deep: dict[tuple[int, ...], list[_Kept] | None] = {}
        self._held = 0

    def count(self, texts: Sequence[str]) -> Counted | None:
        """Return the numbers of the spec with these edits, or None where they give no network.

        They are those of `measure(spec.edit_sampled(texts), size)`; None stands for an
        `InputError` of either. Raise `InputError` for a text that is no edit.
        """
        edits = [Edit.parse(text) for text in texts]
        targets = tuple([edit.target for edit in edits])
        if any(rows in (None, SCALE) for rows, _ in targets):
            return self._the_long_way(texts)
        if targets not in self._plans:
            if len(self._plans) >= MOST_PLANS:
                self._plans.clear()
            self._plans[targets] = self._plan(edits)
        plan = self._plans[targets]
        if plan is None:
            return None
        if self._held >= MOST_ROWS:
            self._forget()
        texts = [edit.text for edit in edits]
        made = []
        met = changed = 0
        for place, pick in enumerate(plan.by_row):
            mine = pick(texts)
            known = self._made[place]
            if mine not in known:
                self._held += 1
                known[mine] = self._make(place, mine, plan.explicit)
            one = known[mine]
            if one is None:
                return None
            met |= one.met
            changed |= one.changed
            made.append(one)
        if met != plan.bits:
            return None
        needed = [
            ids
            for at, bit, ids in plan.residuals
            if changed & bit and edits[at].value == "true"
        ]  # fmt: skip
        return self._counted(made, needed)

    def _plan(self, edits: Sequence[Edit]) -> _Plan | None:
        rows = self._spec.rows
        try:
            groups = widest_first(rows, edits)
        except InputError:
            return None
        by_row: list[list[int]] = [[] for _ in rows]
        bits = explicit = 0
        residuals = []
        for edit, selected, named in groups:
            at = edits.index(edit)
            bit = self._bit(edit)
            bits |= bit
            explicit |= bit * named
            for row in selected:
                by_row[rows.index(row)].append(at)
            if edit.field == "residual":
                residuals.append((at, bit, frozenset(row.base for row in selected)))
        return _Plan(tuple(map(_picker, by_row)), bits, explicit, tuple(residuals))

    def _bit(self, edit: Edit) -> int:
        return self._bits.setdefault(edit.target, 1 << len(self._bits))

    def _make(self, place: int, texts: tuple[str, ...], explicit: int) -> _Made | None:
        row = EditedRow(self._spec.rows[place], self._depths[place], self._spec.divisor)
        met = changed = 0
        try:
            for edit in map(Edit.parse, texts):
                bit = self._bit(edit)
                if row.has_field(edit, bool(explicit & bit)):
                    met |= bit
                    changed |= bit * row.set(edit)
            return _Made(self._keep(row.row()[0]), row.depth, met, changed)
        except InputError:
            return None

    def _keep(self, row: Row) -> _Kept:
        if row not in self._kept:
            self._held += 1
            self._kept[row] = _Kept(row)
        return self._kept[row]

    def _counted(self, made: list[_Made], needed: Sequence[frozenset[str]]) -> Counted | None:
        if any(one.depth is not None for one in made):
            rows = self._deepened(made)
            if rows is None:
                return None
        else:
            rows = [one.kept for one in made]
        passed = self._walk(rows, self._spec.input)
        if passed is None or passed[-1].out not in _ends(self._settings.classes):
            return None
        for ids in needed:
            pairs = zip(rows, passed, strict=True)
            if not any(one.adds for kept, one in pairs if kept.row.base in ids):
                return None
        size = self._size or self._spec.input
        if size != self._spec.input:
            passed = self._walk(rows, size)
            if passed is None:
                return None
        return Counted(
            tuple([kept.content for kept in rows]),
            sum([one.params for one in passed]),
            sum([one.macs for one in passed]),
        )

    def _walk(self, rows: Sequence[_Kept], size: Size) -> list[_Passed] | None:
        shape: Shape = (IMAGE_CHANNELS, *size)
        every = []
        for kept in rows:
            if shape not in kept.passed:
                kept.passed[shape] = kept.infer(shape, self._settings)
            passed = kept.passed[shape]
            if passed is None:
                return None
            every.append(passed)
            shape = passed.out
        return every

    def _deepened(self, made: Sequence[_Made]) -> list[_Kept] | None:
        groups: dict[str, list[_Made]] = {}
        for one in made:
            groups.setdefault(one.kept.row.base, []).append(one)
        rows: list[_Kept] = []
        for group in groups.values():
            depth = group[0].depth
            if depth is None:
                rows += [one.kept for one in group]
                continue
            key = (*(one.kept.content for one in group), depth)
            if key not in self._deep:
                try:
                    deep = deepened([one.kept.row for one in group], depth)
                    self._deep[key] = [self._keep(row) for row in deep]
                except InputError:
                    self._deep[key] = None
            kept = self._deep[key]
            if kept is None:
                return None
            rows += kept
        return rows

    def _the_long_way(self, texts: Sequence[str]) -> Counted | None:
        """Make and measure a variant with edits of the whole spec, which may change all rows."""
        try:
            spec = self._spec.edit_sampled(texts)
            cost = measure(spec, self._size)
        except InputError:
            return None
        head = _number(*(getattr(spec, key) for key in SPEC_KEYS))
        table = tuple(_number(row.id, row.op, row.values()) for row in spec.rows)
        return Counted((head, *table), cost.params, cost.macs)


def _picker(places: Sequence[int]) -> Callable[[Sequence[str]], tuple[str, ...]]:
    """Return what takes the texts at these places; `itemgetter` gives a bare text for one."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda texts: tuple([texts[place] for place in places])


def _ends(classes: int) -> tuple[Shape, ...]:
    return (classes,), (classes, 1, 1)


def _number(*content: object) -> int:
    return int.from_bytes(hashlib.sha256(repr(content).encode()).digest()[:8])
