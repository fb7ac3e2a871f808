"""Coordinate attention as a row: each line and each column of a map scaled, channel by channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fuseablate.layers import Layer, Shape
from fuseablate.ops.fields import Bool, Int, field
from fuseablate.ops.row import Settings
from fuseablate.ops.shared import (
    GATES,
    LEAST,
    NL,
    NORM,
    REDUCTION,
    SIGMOID,
    Normed,
    coordinate_attention,
)


@dataclass(frozen=True, kw_only=True)
class CoordinateAttention(Normed):
    """Means of lines and columns, squeezed together by a 1x1, then a gate each.

    (C, H, W) to the same. The squeezed width is C / `reduction`, and at least `least`. Inside
    blocks it stands where `se=true` and `se_kind=coordinate`.
    """

    op: ClassVar[str] = "coordinate"
    title: ClassVar[str] = "CoordAtt"
    short_title: ClassVar[str] = "Coord"

    norm: str = field(NORM, "batch")
    nl: str = field(NL, "hswish")
    reduction: int = field(Int(), REDUCTION)
    """The factor by which the channels are squeezed."""
    least: int = field(Int(), LEAST)
    """The fewest channels that they are squeezed to."""
    bias: bool = field(Bool(), True)
    gate: str = field(GATES, SIGMOID)
    """What the weights pass before they scale the map."""

    def layers(self, shape: Shape, settings: Settings) -> Layer:
        return coordinate_attention(
            self,
            self.channels_in(shape),
            settings,
            reduction=self.reduction,
            least=self.least,
            nl=self.nl,
            bias=self.bias,
            gate=self.gate,
        )
