"""The row that averages each channel's map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fuseablate.layers import GlobalPool, Layer, Shape, seq
from fuseablate.ops.cells import Flag, Whole, cell
from fuseablate.ops.row import NL, Row, Settings, act_layer, squeeze_excite


@dataclass(frozen=True, kw_only=True)
class PoolRow(Row):
    """Adaptive average pooling to 1x1, for a map of any size."""

    op: ClassVar[str] = "pool"
    title: ClassVar[str] = "AdaptiveAveragePooling"
    short_title: ClassVar[str] = "Pool"

    se: bool | None = cell(Flag(), None)
    nl: str | None = cell(NL, None)
    se_reduction: int | None = cell(Whole(), None)

    def kernel_text(self, shape: Shape) -> str:
        """Return the size of the map that is averaged."""
        return "x".join(map(str, shape[1:]))

    def layers(self, shape: Shape, settings: Settings) -> Layer:
        """Return the pooling, with SE and a non-linearity where an edit put them."""
        se = squeeze_excite(shape[0], self.se_reduction or 4) if self.se else None
        return seq(pool=GlobalPool(), se=se, act=act_layer(self.nl))
