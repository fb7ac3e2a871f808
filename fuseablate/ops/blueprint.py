"""Blueprint separable convolutions: what a 1x1 makes is filtered, one kernel a channel.

Haase and Amthor, "Rethinking Depthwise Separable Convolutions", CVPR 2020: BSConv-U and, with the
1x1 in two factors without a non-linearity between them, BSConv-S.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from fuseablate.layers import Conv, Layer, Shape, seq
from fuseablate.ops.depthwise import WithDepthwise, depthwise
from fuseablate.ops.fields import Bool, Float, Int, check_kernel, field
from fuseablate.ops.row import Settings
from fuseablate.ops.shared import NL, NORM, act_layer


@dataclass(frozen=True, kw_only=True)
class Blueprint(WithDepthwise):
    """1x1 to `subspace` of the channels, 1x1 to `out`, depthwise KxK, norm, NL.

    (C, H, W) to (out, H', W'). `subspace=0` has one 1x1 in place of the two (BSConv-U).
    """

    op: ClassVar[str] = "bsconv"
    title: ClassVar[str] = "BSConv"
    repeats: ClassVar[bool] = True

    kernel: int = field(Int(), 3)
    norm: str = field(NORM, "batch")
    out: int = field(Int(scales=True))
    nl: str = field(NL, "relu")
    stride: int = field(Int(), 1)
    subspace: float = field(Float(0, 1), 0.25)
    """The first factor's channels, as a share of those that come in, rounded up."""
    inner: bool = field(Bool(), False)
    """Whether norm and NL stand between the 1x1s and the depthwise filter, too."""

    def layers(self, shape: Shape, settings: Settings) -> Layer:
        cin = self.channels_in(shape)
        check_kernel((self.kernel, self.kernel), self.stride)
        few = math.ceil(self.subspace * cin)
        conv = depthwise(self.out, self.kernel, self.stride)
        filtering, _ = self.filtered(conv, settings, doubles=False)
        return seq(
            subspace=self.conv(Conv(cin, few)) if few else None,
            expand=self.conv(Conv(few or cin, self.out)),
            inner_norm=self.norm_layer(self.out, settings) if self.inner else None,
            inner_act=act_layer(self.nl) if self.inner else None,
            filter=filtering,
            act=act_layer(self.nl),
        )
