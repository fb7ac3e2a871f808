"""Efficient channel attention as a row: each channel scaled by what its neighbours' means say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fuseablate.layers import Layer, Shape
from fuseablate.ops.fields import Int, field
from fuseablate.ops.row import Row, Settings
from fuseablate.ops.shared import GATES, SIGMOID, channel_attention, reach


@dataclass(frozen=True, kw_only=True)
class ECA(Row):
    """The channels' means, a convolution along them, a gate: (C, H, W) to the same.

    Inside blocks it stands where `se=true` and `se_kind=eca`.
    """

    op: ClassVar[str] = "eca"
    title: ClassVar[str] = "ECA"
    repeats: ClassVar[bool] = False

    kernel: int | None = field(Int(), None)
    """How many neighbouring channels it reads, an odd number; absent, the paper's (equation 12):
    the odd number nearest to (log2 C + 1) / 2."""
    gate: str = field(GATES, SIGMOID)
    """What the weights of the channels pass before they scale them."""

    def kernel_text(self, shape: Shape) -> str:
        return str(self.kernel or reach(self.channels_in(shape)))

    def layers(self, shape: Shape, settings: Settings) -> Layer:
        return channel_attention(self.channels_in(shape), self.kernel, self.gate)
