"""DenseNet's layer and what stands between its blocks (Huang et al., CVPR 2017).

A `dense` row with `depth = n` is a dense block of n layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fuseablate.errors import InputError
from fuseablate.layers import (
    Children,
    Concat,
    Conv,
    Dropout,
    Layer,
    Pool,
    Seq,
    Shape,
    as_map,
    named,
)
from fuseablate.ops.fields import Bool, Float, Int, field
from fuseablate.ops.row import Settings
from fuseablate.ops.shared import (
    NL,
    NORM,
    WithSE,
    act_layer,
    check_kernel,
    drop_path,
    same_padding,
)
from fuseablate.ops.spatial import FORM, spatial


@dataclass(frozen=True, kw_only=True)
class Dense(WithSE):
    """The input, and beside it `growth` new channels: norm, NL, 1x1, norm, NL, KxK.

    bottleneck: the channels behind the 1x1 are so many times `growth`; 0 leaves the 1x1 out, with
    its norm and NL. SE and dropout stand behind the KxK, whose form is `spatial`.
    """

    op: ClassVar[str] = "dense"
    title: ClassVar[str] = "Dense"
    without: ClassVar[Mapping[str, str]] = {
        "residual": "each layer hands its input on beside its output"
    }
    repeats: ClassVar[bool] = True

    kernel: int = field(Int(), 3)
    norm: str = field(NORM, "batch")
    growth: int = field(Int(scales=True))
    se: bool | None = field(Bool(), False)
    nl: str = field(NL, "relu")
    bottleneck: int = field(Int(least=0), 4)
    dropout: bool = field(Bool(), False)
    spatial: str = field(FORM, "dense")

    def kernel_text(self, shape: Shape) -> str:
        """Return `KxK`."""
        return f"{self.kernel}x{self.kernel}"

    def layers(self, shape: Shape, settings: Settings) -> Layer:
        """Return the layer's tree: (C, H, W) to (C + growth, H, W)."""
        cin, _, _ = as_map(shape, f"op '{self.op}'")
        kernel = (self.kernel, self.kernel)
        check_kernel(kernel, 1)
        inner = self.growth * self.bottleneck
        reduce = (*self._before(cin, settings), ("conv", self.conv(Conv(cin, inner or 1))))
        conv = Conv(inner or cin, self.growth, kernel, padding=same_padding(kernel))
        filtering = (
            *self._before(conv.cin, settings),
            *spatial(self, self.spatial, conv, self.nl, settings),
        )
        drop = self.dropout and settings.dropout
        body = named(
            reduce=Seq(reduce) if inner else None,
            filter=Seq(filtering),
            se=self.gate(self.growth, cin),
            dropout=Dropout(settings.dropout) if drop else None,
            drop_path=drop_path(settings),
        )
        return Concat(named(input=Seq(()), new=Seq(body)))

    def _before(self, channels: int, settings: Settings) -> Children:
        return named(norm=self.norm_layer(channels, settings), act=act_layer(self.nl))


@dataclass(frozen=True, kw_only=True)
class Transition(WithSE):
    """Norm, NL, 1x1 to a share `compression` of the channels, average pooling.

    pool: the side of the pooling's windows, which lie one beside the other. SE stands between.
    """

    op: ClassVar[str] = "transition"
    title: ClassVar[str] = "Transition"
    short_title: ClassVar[str] = "Trans."

    norm: str = field(NORM, "batch")
    compression: float = field(Float(0.01, 1), 0.5)
    se: bool | None = field(Bool(), False)
    nl: str = field(NL, "relu")
    pool: int = field(Int(), 2)

    def kernel_text(self, shape: Shape) -> str:
        """Return the 1x1 and the windows of the pooling."""
        return f"1x1,{self.pool}x{self.pool}"

    def layers(self, shape: Shape, settings: Settings) -> Layer:
        """Return the tree: (C, H, W) to (C * compression, H / pool, W / pool), rounded down."""
        cin, _, _ = as_map(shape, f"op '{self.op}'")
        out = int(cin * self.compression)
        if not out:
            raise InputError(
                f"a compression of {self.compression} leaves none of {cin} channels; "
                f"use at least {1 / cin:.2g}"
            )
        window = (self.pool, self.pool)
        return Seq(
            named(
                norm=self.norm_layer(cin, settings),
                act=act_layer(self.nl),
                conv=self.conv(Conv(cin, out)),
                se=self.gate(out, cin),
                pool=Pool("avg", window, window),
            )
        )
