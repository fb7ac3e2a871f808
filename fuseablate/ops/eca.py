"""Efficient channel attention: each channel scaled by what its neighbours' means say.

Wang et al., "ECA-Net: Efficient Channel Attention for Deep Convolutional Neural Networks",
CVPR 2020.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from fuseablate.errors import InputError
from fuseablate.layers import Act, ChannelConv, Flatten, Gate, GlobalPool, Layer, Shape, named
from fuseablate.ops.fields import Int, field
from fuseablate.ops.row import Row, Settings
from fuseablate.ops.shared import GATES


@dataclass(frozen=True, kw_only=True)
class ECA(Row):
    """The channels' means, a convolution along them, a gate: (C, H, W) to the same."""

    op: ClassVar[str] = "eca"
    title: ClassVar[str] = "ECA"
    repeats: ClassVar[bool] = False

    kernel: int | None = field(Int(), None)
    """How many neighbouring channels it reads, an odd number; absent, the paper's (equation 12):
    the odd number nearest to (log2 C + 1) / 2."""
    gate: str = field(GATES, "sigmoid")
    """What the weights of the channels pass before they scale them."""

    def kernel_text(self, shape: Shape) -> str:
        return str(self._reach(self.channels_in(shape)))

    def layers(self, shape: Shape, settings: Settings) -> Layer:
        kernel = self._reach(self.channels_in(shape))
        if kernel % 2 == 0:
            raise InputError(f"kernel {kernel} is even, and has no middle; use {kernel + 1}")
        return Gate(
            named(
                pool=GlobalPool(), flatten=Flatten(), conv=ChannelConv(kernel), gate=Act(self.gate)
            )
        )

    def _reach(self, channels: int) -> int:
        if self.kernel is not None:
            return self.kernel
        wide = int((math.log2(channels) + 1) / 2)
        return wide if wide % 2 else wide + 1
