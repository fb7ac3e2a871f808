"""DenseNet's layer and what stands between its blocks (Huang et al., CVPR 2017).

A `dense` row with `depth = n` is a dense block of n layers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fuseablate.errors import InputError
from fuseablate.layers import (
    Children,
    Concat,
    Conv,
    Layer,
    Pool,
    Seq,
    Shape,
    named,
)
from fuseablate.ops.fields import Bool, Float, Int, check_kernel, field, same_padding
from fuseablate.ops.row import Settings
from fuseablate.ops.shared import NL, NORM, WithSE, act_layer, drop_path, dropout
from fuseablate.ops.spatial import FORM, spatial


@dataclass(frozen=True, kw_only=True)
class Dense(WithSE):
    """The input, and beside it `growth` new channels: norm, NL, 1x1, norm, NL, KxK.

    SE and dropout stand behind the KxK, whose form is `spatial`.
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
    """Channels that each layer adds."""
    se: bool | None = field(Bool(), False)
    nl: str = field(NL, "relu")
    bottleneck: int = field(Int(least=0), 4)
    """How many times `growth` the channels behind the 1x1 are; 0 leaves the 1x1 out, with its norm
    and NL."""
    dropout: bool = field(Bool(), False)
    """Whether the spec's `dropout` follows each layer."""
    spatial: str = field(FORM, "dense")

    def layers(self, shape: Shape, settings: Settings) -> Layer:
        """Return the tree: (C, H, W) to (C + growth, H, W)."""
        cin = self.channels_in(shape)
        kernel = (self.kernel, self.kernel)
        check_kernel(kernel, 1)
        inner = self.growth * self.bottleneck
        reduce = (*self._before(cin, settings), ("conv", self.conv(Conv(cin, inner or 1))))
        conv = Conv(inner or cin, self.growth, kernel, padding=same_padding(kernel))
        filtering = (
            *self._before(conv.cin, settings),
            *spatial(self, self.spatial, conv, self.nl, settings),
        )
        body = named(
            reduce=Seq(reduce) if inner else None,
            filter=Seq(filtering),
            se=self.gate(self.growth, cin, settings),
            dropout=dropout(self.dropout, settings),
            drop_path=drop_path(settings),
        )
        return Concat(named(input=Seq(()), new=Seq(body)))

    def _before(self, channels: int, settings: Settings) -> Children:
        return named(norm=self.norm_layer(channels, settings), act=act_layer(self.nl))


@dataclass(frozen=True, kw_only=True)
class Transition(WithSE):
    """Norm, NL, 1x1 to a share `compression` of the channels, SE, average pooling."""

    op: ClassVar[str] = "transition"
    title: ClassVar[str] = "Transition"
    short_title: ClassVar[str] = "Trans."

    norm: str = field(NORM, "batch")
    compression: float = field(Float(0.01, 1), 0.5)
    """The share of the channels that is kept."""
    se: bool | None = field(Bool(), False)
    nl: str = field(NL, "relu")
    pool: int = field(Int(), 2)
    """The side of the pooling's windows, which lie one beside the other."""

    def kernel_text(self, shape: Shape) -> str:
        return f"1x1,{self.pool}x{self.pool}"

    def layers(self, shape: Shape, settings: Settings) -> Layer:
        """Return the tree: (C, H, W) to (C * compression, H / pool, W / pool), rounded down."""
        cin = self.channels_in(shape)
        out = int(cin * self.compression)
        if not out:
            raise InputError(
                f"a compression of {self.compression} leaves none of {cin} channels; "
                f"use at least {math.ceil(100 / cin) / 100}"
            )
        window = (self.pool, self.pool)
        return Seq(
            named(
                norm=self.norm_layer(cin, settings),
                act=act_layer(self.nl),
                conv=self.conv(Conv(cin, out)),
                se=self.gate(out, cin, settings),
                pool=Pool("avg", window, window),
            )
        )
