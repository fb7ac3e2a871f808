"""MixConv: depthwise filters of several sizes, each over its share of the channels.

Tan and Le, "MixConv: Mixed Depthwise Convolutional Kernels", BMVC 2019. An op of one's own, as
`fuseablate new op mixconv` begins one:

    fuseablate cost mobilenet_v1:cifar --plugin examples/mixconv.py --set 5-9.op=mixconv
    pytest examples/test_mixconv.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fuseablate import InputError, register
from fuseablate.layers import Children, Conv, Layer, Shape, Split, seq
from fuseablate.ops import Settings
from fuseablate.ops.fields import Int, field, same_padding
from fuseablate.ops.shared import NL, NORM, Normed


@dataclass(frozen=True, kw_only=True)
class MixConv(Normed):
    """Depthwise KxK of 3, 5, 7, ..., each on an equal run of the channels, then 1x1 to `out`."""

    op: ClassVar[str] = "mixconv"
    title: ClassVar[str] = "MixConv"
    repeats: ClassVar[bool] = True

    kernels: int = field(Int(1, most=5), 2)
    """How many sizes: 2 are 3x3 and 5x5, 3 are those and 7x7."""
    norm: str = field(NORM, "batch")
    out: int = field(Int(scales=True))
    nl: str = field(NL, "relu")
    stride: int = field(Int(), 1)

    def layers(self, shape: Shape, settings: Settings) -> Layer:
        channels = self.channels_in(shape)
        if channels % self.kernels:
            fits = max(n for n in range(1, self.kernels) if channels % n == 0)
            raise InputError(
                f"{channels} channels do not divide among {self.kernels} kernels; "
                f"use kernels={fits}"
            )
        width, stride = channels // self.kernels, (self.stride, self.stride)
        parts: Children = tuple(
            (
                f"k{size}",
                Conv(width, width, (size, size), stride, same_padding((size, size)), width),
            )
            for size in range(3, 3 + 2 * self.kernels, 2)
        )
        return seq(
            filters=Split(parts),
            norm=self.norm_layer(channels, settings),
            project=self.conv_norm(Conv(channels, self.out), settings, self.nl),
        )


register("ops", "mixconv", MixConv)
