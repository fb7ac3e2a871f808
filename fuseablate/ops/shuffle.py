"""ShuffleNetV2's unit: one half of the channels passes by, then all are shuffled.

Ma et al., "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design", ECCV 2018,
figure 3 (c) and (d).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fuseablate.errors import InputError
from fuseablate.layers import ChannelShuffle, Concat, Conv, Layer, Seq, Shape, Split, named, seq
from fuseablate.ops.depthwise import WithDepthwise, depthwise
from fuseablate.ops.fields import Bool, Int, check_kernel, field
from fuseablate.ops.row import Settings
from fuseablate.ops.shared import NL, NORM


@dataclass(frozen=True, kw_only=True)
class ShuffleUnit(WithDepthwise):
    """1x1, depthwise KxK, 1x1 on one half of the channels; the other is kept, or strides too.

    With stride 1 the halves are the input's, and `out` is what comes in. With another stride, or
    another `out`, both branches read all channels, and each makes one half of `out`.
    """

    op: ClassVar[str] = "shuffle"
    title: ClassVar[str] = "Shuffle"
    repeats: ClassVar[bool] = True
    without: ClassVar[Mapping[str, str]] = {"residual": "one half of its channels passes by"}

    kernel: int = field(Int(), 3)
    norm: str = field(NORM, "batch")
    out: int = field(Int(scales=True))
    nl: str = field(NL, "relu")
    stride: int = field(Int(), 1)
    shuffle: bool = field(Bool(), True)
    """Whether the channels of the two halves are shuffled at the end."""

    def step(self, name: str, divisor: int) -> int:
        return math.lcm(divisor, 2) if name == "out" else divisor

    def layers(self, shape: Shape, settings: Settings) -> Layer:
        cin = self.channels_in(shape)
        check_kernel((self.kernel, self.kernel), self.stride)
        if self.out % 2:
            raise InputError(f"out={self.out} is odd, and is two halves; use {self.out + 1}")
        half = self.out // 2
        shuffle = ChannelShuffle(2) if self.shuffle else None
        if self.stride == 1 and cin == self.out:
            halves: Layer = Split(named(same=Seq(()), body=self._body(half, half, settings)))
        else:
            beside, width = self.filtered(depthwise(cin, self.kernel, self.stride), settings)
            project = self.conv_norm(Conv(width, half), settings, self.nl)
            halves = Concat(
                named(
                    beside=seq(filter=beside, project=project),
                    body=self._body(cin, half, settings),
                )
            )
        return seq(halves=halves, shuffle=shuffle)

    def _body(self, cin: int, half: int, settings: Settings) -> Layer:
        conv = depthwise(half, self.kernel, self.stride)
        filtering, width = self.filtered(conv, settings)
        return seq(
            reduce=self.conv_norm(Conv(cin, half), settings, self.nl),
            filter=filtering,
            project=self.conv_norm(Conv(width, half), settings, self.nl),
        )
