"""What many variants of one spec cost: each row is made and measured once. Without torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from fuseablate.cost.costs import cost_kind
from fuseablate.cost.kinds import Network
from fuseablate.errors import InputError
from fuseablate.layers import Cost, Layer, Residual, Shape, Sum, contains
from fuseablate.ops import Row, Settings
from fuseablate.ops.row import ByChannels
from fuseablate.spec import (
    IMAGE_CHANNELS,
    SPEC_KEYS,
    Edit,
    Edited,
    Editor,
    KnownRow,
    Size,
    Spec,
    steady_hash,
)

COSTED_ROWS = 1_000_000  # rows at an input shape whose costs are remembered at most


class Counted(NamedTuple):
    """A variant in numbers."""

    table: int
    """Differs where the fields of rows or the spec's keys do; the same in every process."""
    cost: Cost
    """That of one image."""
    others: Mapping[str, float]
    """Costs beyond those, by the names that were asked for."""

    @property
    def costs(self) -> dict[str, float]:
        """All of them by name."""
        return {**self.cost._asdict(), **self.others}


class _Passed(NamedTuple):
    """What a row makes of the maps that come in."""

    out: int
    """Which maps are those behind it: a number, so that nothing refers to itself in a circle."""
    cost: Cost
    adds: bool
    """Whether its layers add their input."""
    others: tuple[float, ...]
    """Those that sum up of the costs that were asked for."""
    part: Network | None
    """Its layers, where a cost that was asked for is that of the whole network."""


class _Maps:
    """What lies between two rows, and what each row that came next made of it: None, if nothing.

    There is a map for each input size: that of the table, which must be a network there, and the
    one at which it is counted, the last. Where a row is looked up a million times, the two
    together and a dict for each shape take a third of the time of a key of row, shape and settings.
    """

    __slots__ = ("passed", "settings", "shapes")

    def __init__(self, shapes: tuple[Shape, ...], settings: Settings) -> None:
        self.shapes, self.settings = shapes, settings
        self.passed: dict[KnownRow, _Passed | None] = {}


class Variants:
    """The variants of `spec` at input `size` (H, W), the table's own by default.

    `names` are costs that are counted beside those of a `Cost`.
    """

    def __init__(self, spec: Spec, size: Size | None = None, names: Iterable[str] = ()) -> None:
        kinds = [cost_kind(name) for name in names if name not in Cost._fields]
        self._summed = [kind for kind in kinds if kind.sums]
        self._whole = [kind for kind in kinds if not kind.sums]
        self._spec, self._size = spec, size
        self._editor = Editor(spec)
        self._keys = {key: getattr(spec, key) for key in SPEC_KEYS}
        self._maps: list[_Maps] = []
        self._images: dict[tuple[Size, int, float], int] = {}  # the maps that a network begins with
        self._numbers: dict[tuple[object, ...], int] = {}  # of the maps, by settings and shapes
        self._heads: dict[tuple[object, ...], int] = {}  # hashes of keys and ids
        self._held = 0

    def count(self, texts: Sequence[str]) -> Counted | None:
        """Return the numbers of the spec with these edits, or None where they give no network.

        They are those of `measure(spec.edit_sampled(*texts), size)`; None stands for an
        `InputError` of either. Raise `InputError` for a text that is no edit.
        """
        edits = [Edit.parse(text) for text in texts]
        try:
            return self._counted(self._editor.edited(edits, idle=True))
        except InputError:
            return None

    def _counted(self, edited: Edited) -> Counted | None:
        keys = {**self._keys, **edited.keys} if edited.keys else self._keys
        classes = keys["classes"]
        passed = self._infer(edited.rows.known, keys["input"], classes, keys["dropout"])
        if passed is None:
            return None
        end = self._maps[passed[-1].out].shapes[0]
        if end not in ((classes,), (classes, 1, 1)):
            return None
        if edited.residuals:
            edited.check_residuals([row.adds for row in passed])
        others: dict[str, float] = {}
        if self._summed:
            sums = map(sum, zip(*[row.others for row in passed], strict=True))
            others = dict(zip([kind.name for kind in self._summed], sums, strict=True))
        if self._whole:
            parts = [row.part for row in passed if row.part]
            others |= {kind.name: kind.total(parts) for kind in self._whole}
        fields = (*keys.values(), *edited.rows.ids)
        try:
            head = self._heads[fields]
        except KeyError:
            self._held += 1
            head = self._heads[fields] = steady_hash(fields)
        return Counted(
            hash((head, *[known.hash for known in edited.rows.known])),
            Cost.total([row.cost for row in passed]),
            others,
        )

    def _infer(
        self, rows: Sequence[KnownRow], own: Size, classes: int, dropout: float
    ) -> list[_Passed] | None:
        if self._held >= COSTED_ROWS:
            self._maps.clear()
            self._numbers.clear()
            self._images.clear()
            self._heads.clear()
            self._held = 0
        if (own, classes, dropout) not in self._images:
            # The other settings change no cost: norms' numbers, and what is dropped in training.
            settings = Settings(classes, dropout)
            sizes = dict.fromkeys((own, self._size or own))
            images = [(IMAGE_CHANNELS, *size) for size in sizes]
            self._images[own, classes, dropout] = self._number(images, settings)
        maps = self._maps[self._images[own, classes, dropout]]
        every = []
        for known in rows:
            try:
                passed = maps.passed[known]
            except KeyError:
                self._held += 1
                passed = maps.passed[known] = self._pass(known, maps)
            if passed is None:
                return None
            every.append(passed)
            maps = self._maps[passed.out]
        return every

    def _number(self, shapes: Sequence[Shape], settings: Settings) -> int:
        """Return which maps are those of these shapes."""
        key = (settings.classes, settings.dropout, *shapes)
        if key not in self._numbers:
            self._numbers[key] = len(self._maps)
            self._maps.append(_Maps(tuple(shapes), settings))
        return self._numbers[key]

    def _pass(self, known: KnownRow, maps: _Maps) -> _Passed | None:
        row = known.row
        try:
            layers = _layers(row, maps)
            inferred = [
                layer.infer(shape) for layer, shape in zip(layers, maps.shapes, strict=True)
            ]
        except InputError:
            return None
        asked = getattr(row, "residual", True)  # looking for one takes longer than that
        cost = inferred[-1][1]
        part = Network(layers[-1], maps.shapes[-1], cost)
        return _Passed(
            self._number([out for out, _ in inferred], maps.settings),
            cost,
            asked and contains(layers[0], Residual, Sum),
            tuple([kind.of(part) for kind in self._summed]),
            part if self._whole else None,
        )


def _layers(row: Row, maps: _Maps) -> list[Layer]:
    """Return the tree of a row at each of its inputs; where they may share one, it is made once."""
    if type(row).layers is ByChannels.layers:
        channels = {row.channels_in(shape) for shape in maps.shapes}
        if len(channels) == 1:
            return [row.layers(maps.shapes[0], maps.settings)] * len(maps.shapes)
    return [row.layers(shape, maps.settings) for shape in maps.shapes]
