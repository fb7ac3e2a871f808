"""The fire module of SqueezeNet (Iandola et al., 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fuseablate.layers import Concat, Conv, Layer, Residual, Seq, Shape, as_map, named
from fuseablate.ops.fields import Bool, Int, field
from fuseablate.ops.row import Settings
from fuseablate.ops.shared import NL, NORM, WithSE, check_kernel, drop_path, same_padding
from fuseablate.ops.spatial import FORM, spatial_norm


@dataclass(frozen=True, kw_only=True)
class Fire(WithSE):
    """1x1 to `squeeze` channels; 1x1 to `expand1` and KxK to `expand3` side by side, concatenated.

    Each convolution has a bias and an NL, as published, and a norm where an edit puts one. spatial:
    that of the KxK. SE, where there is one, stands behind the concatenation. `residual` adds the
    input where the shape stays: the paper's simple bypass (section 6).
    """

    op: ClassVar[str] = "fire"
    title: ClassVar[str] = "Fire"
    repeats: ClassVar[bool] = True

    kernel: int = field(Int(), 3)
    squeeze: int = field(Int(scales=True))
    expand1: int = field(Int(scales=True))
    expand3: int = field(Int(scales=True))
    norm: str = field(NORM, "none")
    se: bool | None = field(Bool(), False)
    nl: str = field(NL, "relu")
    bias: bool = field(Bool(), True)
    spatial: str = field(FORM, "dense")
    residual: bool = field(Bool(), False)

    def kernel_text(self, shape: Shape) -> str:
        """Return both kernels."""
        return f"1x1,{self.kernel}x{self.kernel}"

    def layers(self, shape: Shape, settings: Settings) -> Layer:
        """Return the module's tree."""
        cin, _, _ = as_map(shape, f"op '{self.op}'")
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
            se=self.gate(out, cin),
        )
        if not (self.residual and cin == out):
            return Seq(body)
        return Residual((*body, *named(drop_path=drop_path(settings))))

    def _pointwise(self, cin: int, cout: int, settings: Settings) -> Layer:
        return self.conv_norm(Conv(cin, cout, bias=self.bias), settings, self.nl)
