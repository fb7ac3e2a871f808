"""The fire module of SqueezeNet (Iandola et al., 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fuseablate.layers import Concat, Conv, Layer, Seq, Shape, named
from fuseablate.ops.fields import Bool, Int, check_kernel, field, same_padding
from fuseablate.ops.row import Settings
from fuseablate.ops.shared import NL, NORM, WithSE, residual
from fuseablate.ops.spatial import FORM, spatial_norm


@dataclass(frozen=True, kw_only=True)
class Fire(WithSE):
    """1x1 to `squeeze` channels; 1x1 to `expand1` and KxK to `expand3` side by side, concatenated.

    Each convolution has a bias and an NL, as published, and a norm where an edit puts one. SE
    stands behind the concatenation.
    """

    op: ClassVar[str] = "fire"
    title: ClassVar[str] = "Fire"
    repeats: ClassVar[bool] = True

    kernel: int = field(Int(), 3)
    """That of the second branch; the first is 1x1."""
    squeeze: int = field(Int(scales=True))
    """Channels of the 1x1 convolution in front."""
    expand1: int = field(Int(scales=True))
    """Channels of the 1x1 branch."""
    expand3: int = field(Int(scales=True))
    """Channels of the KxK branch."""
    norm: str = field(NORM, "none")
    se: bool | None = field(Bool(), False)
    nl: str = field(NL, "relu")
    bias: bool = field(Bool(), True)
    spatial: str = field(FORM, "dense")
    """The form of the KxK."""
    residual: bool = field(Bool(), False)
    """Whether the input is added where the shape stays: the paper's simple bypass (section 6)."""

    def kernel_text(self, shape: Shape) -> str:
        return f"1x1,{self.kernel}x{self.kernel}"

    def layers(self, shape: Shape, settings: Settings) -> Layer:
        cin = self.channels_in(shape)
        kernel = (self.kernel, self.kernel)
        check_kernel(kernel, 1)
        narrow = self.squeeze
        wide = Conv(narrow, self.expand3, kernel, padding=same_padding(kernel), bias=self.bias)
        expand = named(
            expand1=self._pointwise(narrow, self.expand1, settings),
            expand3=spatial_norm(self, self.spatial, wide, self.nl, settings),
        )
        out = self.expand1 + self.expand3
        body = named(
            squeeze=self._pointwise(cin, narrow, settings),
            expand=Concat(expand),
            se=self.gate(out, cin, settings),
        )
        return residual(body, settings) if self.residual and cin == out else Seq(body)

    def _pointwise(self, cin: int, cout: int, settings: Settings) -> Layer:
        return self.conv_norm(Conv(cin, cout, bias=self.bias), settings, self.nl)
