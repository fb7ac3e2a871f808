"""Coordinate attention: each line and each column of a map scaled, channel by channel.

Hou et al., "Coordinate Attention for Efficient Mobile Network Design", CVPR 2021.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fuseablate.layers import Act, Conv, CoordinateGate, Layer, Shape, named, seq
from fuseablate.ops.fields import Bool, Int, field
from fuseablate.ops.row import Settings
from fuseablate.ops.shared import GATES, NL, NORM, Normed, act_layer


@dataclass(frozen=True, kw_only=True)
class CoordinateAttention(Normed):
    """Means of lines and columns, squeezed together by a 1x1, then a gate each.

    (C, H, W) to the same. The squeezed width is C / `reduction`, and at least `least`.
    """

    op: ClassVar[str] = "coordinate"
    title: ClassVar[str] = "CoordAtt"
    short_title: ClassVar[str] = "Coord"

    norm: str = field(NORM, "batch")
    nl: str = field(NL, "hswish")
    reduction: int = field(Int(), 32)
    """The factor by which the channels are squeezed."""
    least: int = field(Int(), 8)
    """The fewest channels that they are squeezed to."""
    bias: bool = field(Bool(), True)
    gate: str = field(GATES, "sigmoid")
    """What the weights pass before they scale the map."""

    def layers(self, shape: Shape, settings: Settings) -> Layer:
        channels = self.channels_in(shape)
        inner = max(self.least, channels // self.reduction)
        squeeze = seq(
            conv=self.conv(Conv(channels, inner, bias=self.bias)),
            norm=self.norm_layer(inner, settings),
            act=act_layer(self.nl),
        )
        factors = seq(conv=self.conv(Conv(inner, channels, bias=self.bias)), gate=Act(self.gate))
        return CoordinateGate(named(squeeze=squeeze, rows=factors, columns=factors))
