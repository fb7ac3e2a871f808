"""What each row of a network sees: its receptive field, and weights that never meet a pixel.

Position i of a map depends, along one axis, on the image's pixels `first + i * step` to
`last + i * step`, as far as there are such; a window that hangs over the edge of a map sees less.
The field is that of the filters alone: what squeeze-and-excite and its like
gather over the whole map only scales channels, and is not counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from fuseablate.layers import (
    Concat,
    Conv,
    Flatten,
    GlobalPool,
    Layer,
    Pad,
    Pair,
    Pool,
    Residual,
    Seq,
    Shape,
    Shift,
    Split,
    Step,
    Sum,
    ZeroPadShortcut,
    placed,
    walk,
)
from fuseablate.spec import InferredRow, Size, Spec


class Axis(NamedTuple):
    """What position 0 of a map sees along one axis, and how far the next one's field lies."""

    first: float = 0
    last: float = 0
    step: int = 1

    @property
    def extent(self) -> float:
        """How many pixels wide the field is, those beyond the image's edge among them."""
        return self.last - self.first + 1

    def window(self, kernel: int, stride: int, padding: int) -> Axis:
        """Return the axis behind a window that slides over the map."""
        return Axis(
            self.first - padding * self.step,
            self.last + (kernel - 1 - padding) * self.step,
            self.step * stride,
        )

    def joined(self, other: Axis) -> Axis:
        """Return the axis of a map that is made of both."""
        return Axis(min(self.first, other.first), max(self.last, other.last), self.step)


EVERYWHERE = Axis(-math.inf, math.inf)


class ReceptiveField(NamedTuple):
    """The receptive field of a map, down and across."""

    down: Axis = Axis()
    across: Axis = Axis()

    @property
    def extent(self) -> tuple[float, float]:
        """Its height and width in pixels; infinite behind what sees the whole map."""
        return self.down.extent, self.across.extent

    @property
    def step(self) -> Pair:
        """How many pixels lie between two positions, down and across."""
        return self.down.step, self.across.step

    def sees(self, size: Size) -> bool:
        """Whether it is as large as an image of `size` (H, W)."""
        return self.extent[0] >= size[0] and self.extent[1] >= size[1]

    def window(self, kernel: Pair, stride: Pair, padding: Pair) -> ReceptiveField:
        down, across = (
            axis.window(*sides)
            for axis, sides in zip(self, zip(kernel, stride, padding, strict=True), strict=True)
        )
        return ReceptiveField(down, across)

    def joined(self, other: ReceptiveField) -> ReceptiveField:
        return ReceptiveField(self.down.joined(other.down), self.across.joined(other.across))


class Unmet(NamedTuple):
    """Weights that only ever meet padding, and the MACs of one image that are spent on them."""

    params: int = 0
    macs: int = 0


@dataclass(frozen=True)
class RowReceptiveField:
    row: InferredRow
    before: ReceptiveField
    """The field of a position of the row's input."""
    after: ReceptiveField
    """The field of a position of its output."""
    unmet: Unmet


def receptive_fields(spec: Spec, size: Size | None = None) -> tuple[RowReceptiveField, ...]:
    """Return what each row sees of an image of `size` (H, W), the table's own by default."""
    before = ReceptiveField()
    rows = []
    for row in spec.infer(size):
        after = field_after(row.layer, before, row.in_shape)
        rows.append(RowReceptiveField(row, before, after, unmet(row.layer, row.in_shape)))
        before = after
    return tuple(rows)


def field_after(layer: Layer, field: ReceptiveField, shape: Shape) -> ReceptiveField:
    """Return the field behind a tree of layers, whose input of `shape` has the field `field`.

    Layers that only scale, gate, normalise or flatten a 1x1 map leave it as it is.
    """
    after = _FIELDS.get(type(layer))
    if after:
        return after(layer, field, shape)
    own = getattr(layer, "window", None)  # a plug-in's primitive may have one
    return field.window(*own) if own else field


def _in_turn(layer: Layer, field: ReceptiveField, shape: Shape) -> ReceptiveField:
    for child, before, _ in placed(layer, shape):
        field = field_after(child, field, before)
    return field


def _branches(layer: Layer, field: ReceptiveField, shape: Shape) -> ReceptiveField:
    first, *others = (
        field_after(child, field, before) for child, before, _ in placed(layer, shape)
    )
    for other in others:
        first = first.joined(other)
    return first


def _residual(layer: Residual, field: ReceptiveField, shape: Shape) -> ReceptiveField:
    return _in_turn(layer, field, shape).joined(field)


def _global_pool(pool: GlobalPool, field: ReceptiveField, shape: Shape) -> ReceptiveField:
    return field if shape[1:] == pool.size else ReceptiveField(EVERYWHERE, EVERYWHERE)


def _flatten(flatten: Flatten, field: ReceptiveField, shape: Shape) -> ReceptiveField:
    return field if shape[1:] == (1, 1) else ReceptiveField(EVERYWHERE, EVERYWHERE)


def _shift(shift: Shift, field: ReceptiveField, shape: Shape) -> ReceptiveField:
    kernel, stride = (shift.kernel,) * 2, (shift.stride,) * 2
    return field.window(kernel, stride, (shift.kernel // 2,) * 2)


_FIELDS: Mapping[type[Layer], Callable[[Any, ReceptiveField, Shape], ReceptiveField]] = {
    Conv: lambda conv, field, _: field.window(conv.kernel, conv.stride, conv.padding),
    Pool: lambda pool, field, _: field.window(pool.kernel, pool.stride, pool.padding),
    Pad: lambda pad, field, _: field.window((1, 1), (1, 1), (pad.width,) * 2),
    ZeroPadShortcut: lambda cut, field, _: field.window((1, 1), (cut.stride,) * 2, (0, 0)),
    Shift: _shift,
    GlobalPool: _global_pool,
    Flatten: _flatten,
    Seq: _in_turn,
    Residual: _residual,
    Concat: _branches,
    Split: _branches,
    Sum: _branches,
}


def unmet(layer: Layer, shape: Shape) -> Unmet:
    """Return the weights of a tree of layers that no pixel of a map of `shape` ever meets.

    On a map of 1x1 only the middle of a 3x3 kernel does. The MACs are those of one image.
    """
    taps = [_unmet_taps(conv, step) for step in walk(layer, shape)
            if isinstance(conv := step.layer, Conv)]  # fmt: skip
    return Unmet(sum(params for params, _ in taps), sum(macs for _, macs in taps))


def _unmet_taps(conv: Conv, step: Step) -> Unmet:
    cout, *outs = step.after
    met = 1
    for side, out, kernel, stride, padding in zip(
        step.before[1:], outs, conv.kernel, conv.stride, conv.padding, strict=True
    ):
        met *= sum(
            any(0 <= at * stride - padding + tap < side for at in range(out))
            for tap in range(kernel)
        )
    taps = conv.kernel[0] * conv.kernel[1] - met
    weights = taps * cout * (conv.cin // conv.groups)
    return Unmet(weights, weights * outs[0] * outs[1])
