"""A row that is a norm with its non-linearity, as pre-activation networks end in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fuseablate.layers import Layer, Shape, seq
from fuseablate.ops.fields import field
from fuseablate.ops.row import Settings
from fuseablate.ops.shared import NL, NORM, Normed, act_layer


@dataclass(frozen=True, kw_only=True)
class NormRow(Normed):
    """Norm and non-linearity of a map `(C, H, W)`, whose shape stays."""

    op: ClassVar[str] = "norm"
    title: ClassVar[str] = "Norm"

    norm: str = field(NORM, "batch")
    nl: str = field(NL, "relu")

    def layers(self, shape: Shape, settings: Settings) -> Layer:
        channels = self.channels_in(shape)
        return seq(norm=self.norm_layer(channels, settings), act=act_layer(self.nl))
