"""ConvNeXt's block: a large depthwise filter, one norm, and two 1x1s with one non-linearity.

Liu et al., "A ConvNet for the 2020s", CVPR 2022, figure 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fuseablate.layers import Conv, Layer, LayerScale, Seq, Shape, named
from fuseablate.ops.depthwise import WithDepthwise, depthwise
from fuseablate.ops.fields import Bool, Float, Int, check_kernel, field
from fuseablate.ops.row import Settings
from fuseablate.ops.shared import NL, NORM, act_layer, residual


@dataclass(frozen=True, kw_only=True)
class ConvNeXt(WithDepthwise):
    """Depthwise KxK, norm, 1x1 to `expand` times the channels, NL, 1x1 back, layer scale.

    Added to its input: (C, H, W) to the same.
    """

    op: ClassVar[str] = "convnext"
    title: ClassVar[str] = "ConvNeXt"
    short_title: ClassVar[str] = "CNeXt"
    repeats: ClassVar[bool] = True
    without: ClassVar[Mapping[str, str]] = {
        "out": "it keeps its input's channels, which the row before it sets",
        "stride": "a conv row before it strides",
    }

    kernel: int = field(Int(), 7)
    norm: str = field(NORM, "layer")
    nl: str = field(NL, "gelu")
    expand: int = field(Int(), 4)
    """The factor of the channels between the two 1x1 convolutions."""
    scale: float = field(Float(0, 1), 1e-6)
    """What each channel's learned factor begins with; 0 leaves the layer scale out."""
    bias: bool = field(Bool(), True)
    residual: bool = field(Bool(), True)

    def layers(self, shape: Shape, settings: Settings) -> Layer:
        channels = self.channels_in(shape)
        check_kernel((self.kernel, self.kernel), 1)
        conv = depthwise(channels, self.kernel, bias=self.bias)
        filtering, filtered = self.filtered(conv, settings, norm=False)
        inner = self.expand * channels
        body = named(
            filter=filtering,
            norm=self.norm_layer(filtered, settings),
            expand=self.conv(Conv(filtered, inner, bias=self.bias)),
            act=act_layer(self.nl),
            project=self.conv(Conv(inner, channels, bias=self.bias)),
            scale=LayerScale(channels, self.scale) if self.scale else None,
        )
        return residual(body, settings) if self.residual else Seq(body)
