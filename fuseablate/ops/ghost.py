"""Ghost convolutions: some channels computed in full, the others from those (GhostNet).

Han et al., "GhostNet: More Features from Cheap Operations", CVPR 2020, section 3.1.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import ClassVar

from fuseablate.errors import InputError
from fuseablate.layers import Concat, Conv, Layer, Seq, Shape, named, seq
from fuseablate.ops.depthwise import WithDepthwise, depthwise
from fuseablate.ops.fields import Int, check_kernel, field, same_padding
from fuseablate.ops.row import Settings
from fuseablate.ops.shared import NL, NORM, act_layer


@dataclass(frozen=True, kw_only=True)
class Ghost(WithDepthwise):
    """A convolution to `out / ratio` channels, and the others by depthwise filters of those.

    Both with norm and non-linearity: (C, H, W) to (out, H', W').
    """

    op: ClassVar[str] = "ghost"
    title: ClassVar[str] = "Ghost"
    repeats: ClassVar[bool] = True

    kernel: int = field(Int(), 1)
    """Of the convolution over all channels."""
    norm: str = field(NORM, "batch")
    out: int = field(Int(scales=True))
    nl: str = field(NL, "relu")
    stride: int = field(Int(), 1)
    ratio: int = field(Int(2), 2)
    """How many channels come of each that the convolution computes, itself among them."""
    cheap_kernel: int = field(Int(), 3)
    """Of the depthwise filters."""

    def step(self, name: str, divisor: int) -> int:
        return math.lcm(divisor, self.ratio) if name == "out" else divisor

    def layers(self, shape: Shape, settings: Settings) -> Layer:
        cin = self.channels_in(shape)
        sides = (self.kernel, self.kernel)
        check_kernel(sides, self.stride)
        check_kernel((self.cheap_kernel, self.cheap_kernel), 1)
        if self.out % self.ratio:
            nearest = max(self.out // self.ratio, 1) * self.ratio
            raise InputError(
                f"out={self.out} does not divide by ratio={self.ratio}; use out={nearest}"
            )
        own = self.out // self.ratio
        stride = (self.stride, self.stride)
        primary = Conv(cin, own, sides, stride, same_padding(sides))
        cheap = dataclasses.replace(depthwise(own, self.cheap_kernel), cout=own * (self.ratio - 1))
        ghosts, _ = self.filtered(cheap, settings, doubles=False)
        return seq(
            primary=self.conv_norm(primary, settings, self.nl),
            ghosts=Concat(named(same=Seq(()), cheap=seq(filter=ghosts, act=act_layer(self.nl)))),
        )
