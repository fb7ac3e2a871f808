"""What many variants of one spec cost: each row is made and measured once. Without torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from fuseablate.cost.costs import cost_kind
from fuseablate.cost.kinds import Network
from fuseablate.errors import InputError
from fuseablate.layers import Cost, Layer, Residual, Shape, Sum, contains
from fuseablate.ops import Settings
from fuseablate.spec import IMAGE_CHANNELS, SPEC_KEYS, Edit, Edited, Editor, KnownRow, Size, Spec

COSTED_ROWS = 400_000  # rows at an input shape whose costs are remembered at most


class Counted(NamedTuple):
    """A variant in numbers."""

    table: int
    """Differs where the fields of rows or the spec's keys do."""
    cost: Cost
    """That of one image."""
    others: Mapping[str, float]
    """Costs beyond those, by the names that were asked for."""

    @property
    def costs(self) -> dict[str, float]:
        """All of them by name."""
        return {**self.cost._asdict(), **self.others}


class _Passed(NamedTuple):
    """What a row makes of an input of one shape."""

    layer: Layer
    in_shape: Shape
    out: Shape
    cost: Cost
    adds: bool
    """Whether its layers add their input."""
    others: tuple[float, ...]
    """Those that sum up of the costs that were asked for."""


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
        self._passed: dict[tuple[int, float], dict[tuple[KnownRow, Shape], _Passed | None]] = {}
        self._held = 0

    def count(self, texts: Sequence[str]) -> Counted | None:
        """Return the numbers of the spec with these edits, or None where they give no network.

        They are those of `measure(spec.edit_sampled(texts), size)`; None stands for an
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
        # The other settings change no cost: norms' numbers, and what is dropped while training.
        settings = Settings(classes, keys["dropout"])
        passed = self._infer(edited.rows, keys["input"], settings)
        if passed is None or passed[-1].out not in ((classes,), (classes, 1, 1)):
            return None
        if edited.residuals:
            edited.check_residuals([row.adds for row in passed])
        if self._size and self._size != keys["input"]:
            passed = self._infer(edited.rows, self._size, settings)
            if passed is None:
                return None
        others: dict[str, float] = {}
        if self._summed:
            sums = map(sum, zip(*[row.others for row in passed], strict=True))
            others = dict(zip([kind.name for kind in self._summed], sums, strict=True))
        for kind in self._whole:
            others[kind.name] = kind.total(passed)
        return Counted(
            hash((*keys.values(), *[known.hash for known in edited.rows])),
            Cost.total([row.cost for row in passed]),
            others,
        )

    def _infer(
        self, rows: Sequence[KnownRow], size: Size, settings: Settings
    ) -> list[_Passed] | None:
        if self._held >= COSTED_ROWS:
            self._passed.clear()
            self._held = 0
        remembered = self._passed.setdefault((settings.classes, settings.dropout), {})
        shape: Shape = (IMAGE_CHANNELS, *size)
        every = []
        for known in rows:
            key = (known, shape)
            try:
                passed = remembered[key]
            except KeyError:
                self._held += 1
                passed = remembered[key] = self._pass(known, shape, settings)
            if passed is None:
                return None
            every.append(passed)
            shape = passed.out
        return every

    def _pass(self, known: KnownRow, shape: Shape, settings: Settings) -> _Passed | None:
        try:
            layer = known.row.layers(shape, settings)
            out, cost = layer.infer(shape)
        except InputError:
            return None
        asked = getattr(known.row, "residual", True)  # looking for one takes longer than that
        part = Network(layer, shape, cost)
        return _Passed(
            layer,
            shape,
            out,
            cost,
            asked and contains(layer, Residual, Sum),
            tuple([kind.of(part) for kind in self._summed]),
        )
