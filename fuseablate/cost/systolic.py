"""Cycles on a systolic array, layer by layer: an image that never waits for memory.

The array is output-stationary: each of its cells makes one number of the output, and numbers of
the input flow in from the left, weights from the top. A product of S x T by T x M is cut into
tiles of rows x columns outputs, each of which takes T steps and those in which the numbers enter
and leave. With a broadcast link for each row, a one-dimensional depthwise convolution has its
lines dealt out to the rows, one weight reaching all columns at once (Selvam et al., FuSeConv,
DATE 2021, and "ST-OS", arXiv 2108.11441, whose published speed-ups this gives).

Norms, non-linearities, pooling, shifts, shuffles and sums are free: they are done as numbers leave
the array. A kind of layer that is neither is refused.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fuseablate.errors import InputError
from fuseablate.io.checked import Schema
from fuseablate.layers import (
    Act,
    AuxHead,
    ChannelConv,
    ChannelShuffle,
    Concat,
    Conv,
    CoordinateGate,
    Dropout,
    DropPath,
    Flatten,
    Gate,
    GlobalPool,
    Layer,
    LayerNorm,
    LayerScale,
    Linear,
    Norm,
    OwnLayer,
    Pad,
    Pool,
    Residual,
    Scale,
    Seq,
    Shape,
    Shift,
    Split,
    Step,
    Sum,
    ZeroPadShortcut,
    walk,
)

# All but matrix products; an auxiliary head is never run by an image that is classified.
CYCLE_FREE = (
    Norm, LayerNorm, LayerScale, Act, Pool, GlobalPool, Pad, ZeroPadShortcut, Shift, ChannelShuffle,
    Scale, Flatten, Dropout, DropPath, Seq, Residual, Concat, Split, Sum, Gate, CoordinateGate,
    AuxHead,
)  # fmt: skip
Side = Annotated[int, Field(ge=1, le=4096)]


class SystolicArray(Schema):
    """A systolic array, as a hardware file writes it."""

    kind: Literal["systolic"] = "systolic"
    rows: Side
    columns: Side
    dataflow: Literal["output-stationary"] = "output-stationary"
    broadcast: bool = False
    """Whether each row has a link that brings one number to all of its cells at once."""
    edges: Literal["shrunk", "whole"] = "shrunk"
    """Whether a tile at the edge of the output is as small as what is left, or takes its time
    as a whole one, as SCALE-Sim counts."""
    clock_mhz: Annotated[float, Field(gt=0)] = 1000.0
    title: str = ""
    source: str = ""

    def product(self, s: int, t: int, m: int) -> int:
        """Return the cycles of a matrix product: S x T by T x M."""
        down, across = -(-s // self.rows), -(-m // self.columns)
        if self.edges == "whole":
            return down * across * (t + self.rows + self.columns - 2)
        # The sum over all tiles of t + r + q - 1, where r and q are what a tile has of S and M.
        return down * across * (t - 1) + across * s + down * m

    def lines(self, count: int, length: int, kernel: int, stride: int) -> int:
        """Return the cycles of `count` lines of `length` (padded) under a kernel of one dimension.

        Each line is a row of the array; with a stride only so many of them are filtered.
        """
        batches, parts = -(-count // self.rows), -(-length // self.columns)
        return -(-batches * (self.columns + kernel) * parts // stride)


def cycles(layer: Layer, shape: Shape, array: SystolicArray) -> int:
    """Return the cycles that a tree of layers takes for one image of `shape`."""
    return sum(_cycles(step, array) for step in walk(layer, shape))


def _cycles(step: Step, array: SystolicArray) -> int:
    match step.layer:
        case Conv() as conv:
            return _conv(conv, step, array)
        case Linear(cin=cin, cout=cout):
            return array.product(1, cin, cout)
        case ChannelConv(kernel=kernel):
            return array.product(step.before[0], kernel, 1)
    if isinstance(step.layer, OwnLayer):
        own = getattr(step.layer, "cycles", None)
        if own is not None:
            return int(own(step.before, array))
        if not step.layer.infer(step.before)[1].macs:
            return 0
    if not isinstance(step.layer, CYCLE_FREE):
        raise InputError(f"{step.layer.tag}: no systolic array is known to run it")
    return 0


def _conv(conv: Conv, step: Step, array: SystolicArray) -> int:
    (_, high, wide), (_, down, across) = step.before, step.after
    (kh, kw), (ph, pw) = conv.kernel, conv.padding
    if array.broadcast and conv.groups == conv.cin == conv.cout and (kh == 1) != (kw == 1):
        if kh == 1:
            return array.lines(high * conv.cin, wide + 2 * pw, kw, conv.stride[1])
        return array.lines(wide * conv.cin, high + 2 * ph, kh, conv.stride[0])
    inputs, filters = conv.cin // conv.groups, conv.cout // conv.groups
    return conv.groups * array.product(down * across, kh * kw * inputs, filters)
