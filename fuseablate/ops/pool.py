"""Rows that pool: over the whole map, or over windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fuseablate.layers import GlobalPool, Layer, Pad, Pool, Shape, seq
from fuseablate.ops.fields import Bool, Int, field
from fuseablate.ops.row import Row, Settings
from fuseablate.ops.shared import NL, WithSE, act_layer


@dataclass(frozen=True, kw_only=True)
class PoolRow(WithSE):
    """Adaptive average pooling of a map of any size to `size` x `size`, by default 1x1."""

    op: ClassVar[str] = "pool"
    title: ClassVar[str] = "AdaptiveAveragePooling"
    short_title: ClassVar[str] = "Pool"

    size: int = field(Int(), 1)
    """The side of the output, to which the map is averaged."""
    nl: str | None = field(NL, None)

    def kernel_text(self, shape: Shape) -> str:
        return "x".join(map(str, shape[1:]))

    def layers(self, shape: Shape, settings: Settings) -> Layer:
        """Return the pooling, with SE and a non-linearity where an edit put them."""
        pool = GlobalPool((self.size, self.size))
        norm = self.norm_layer(shape[0], settings)
        se = self.gate(shape[0], shape[0], settings)
        return seq(pool=pool, norm=norm, se=se, act=act_layer(self.nl))


@dataclass(frozen=True, kw_only=True)
class WindowPool(Row):
    """Pooling over windows of `kernel` x `kernel`, by default one beside the other."""

    without: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("se", "norm", "nl", "bias", "spatial"),
        "a pool has no weights; give it to the row before or behind",
    )

    kernel: int = field(Int())
    stride: int | None = field(Int(), None)
    """By default the kernel."""
    padding: int = field(Int(least=0), 0)
    ceil: bool = field(Bool(), False)
    """Whether a last window may hang over the edge."""

    def pool(self, kind: str, count_padding: bool = True) -> Layer:
        stride = self.stride or self.kernel
        return Pool(
            kind,
            (self.kernel, self.kernel),
            (stride, stride),
            (self.padding, self.padding),
            self.ceil,
            count_padding,
        )


@dataclass(frozen=True, kw_only=True)
class MaxPool(WindowPool):
    """The largest number of each window."""

    op: ClassVar[str] = "maxpool"
    title: ClassVar[str] = "MaxPool2d"
    short_title: ClassVar[str] = "MaxPool"

    pad: int = field(Int(least=0), 0)
    """Zeros around the map, which windows see as numbers of it, as in BiT; a maximum does not see
    `padding`."""

    def layers(self, shape: Shape, settings: Settings) -> Layer:
        pool = self.pool("max")
        return seq(pad=Pad(self.pad), pool=pool) if self.pad else pool


@dataclass(frozen=True, kw_only=True)
class AvgPool(WindowPool):
    """The mean of each window."""

    op: ClassVar[str] = "avgpool"
    title: ClassVar[str] = "AvgPool2d"
    short_title: ClassVar[str] = "AvgPool"

    count_padding: bool = field(Bool(), True)
    """Whether it counts the zeros of the padding."""

    def layers(self, shape: Shape, settings: Settings) -> Layer:
        return self.pool("avg", self.count_padding)
