"""A row that is a norm with its non-linearity, as pre-activation networks end in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fuseablate.layers import Layer, Shape, as_map, seq
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

    def kernel_text(self, shape: Shape) -> str:
        """Return that there is none."""
        return "-"

    def layers(self, shape: Shape, settings: Settings) -> Layer:
        """Return the norm and the non-linearity."""
        channels, _, _ = as_map(shape, f"op '{self.op}'")
        return seq(norm=self.norm_layer(channels, settings), act=act_layer(self.nl))
