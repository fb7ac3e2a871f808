"""Gates, which scale a map by what they make of it, and the rows that may have one in their block.

Squeeze-and-excite (Hu et al., CVPR 2018) scales its channels; efficient channel attention (Wang et
al., "ECA-Net", CVPR 2020), too, each by what its neighbours' means say; coordinate attention (Hou
et al., CVPR 2021) each line and each column, channel by channel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fuseablate.errors import InputError
from fuseablate.layers import (
    Act,
    ChannelConv,
    Conv,
    CoordinateGate,
    Flatten,
    Gate,
    GlobalPool,
    Layer,
    Linear,
    named,
    seq,
)
from fuseablate.ops.fields import Bool, Choice, Int, field
from fuseablate.ops.row import Settings
from fuseablate.ops.shared import GATES, NL, Normed, act_layer, shared
from fuseablate.ops.values import scaled

SIGMOID = "sigmoid"  # of both kinds of attention, as published
REDUCTION, LEAST = 32, 8  # of coordinate attention, as published


GATE_TITLES = {"se": "SE", "eca": "ECA", "coordinate": "Coord"}


@dataclass(frozen=True, kw_only=True)
class WithSE(Normed):
    """A row that may have squeeze-and-excite, or attention in its place.

    The defaults are the source's SEModule: pool, linear to a quarter, ReLU, linear, H-Sigmoid.
    """

    se: bool | None = field(Bool(), None)
    se_kind: str = field(Choice(tuple(GATE_TITLES)), "se")
    """What stands where `se` is true: squeeze-and-excite, or the attention of the op `eca` or
    `coordinate` with its defaults. The fields below are squeeze-and-excite's alone."""
    se_reduction: int = field(Int(), 4)
    """The factor by which SE squeezes the channels."""
    se_of: str = field(Choice(("width", "input")), "width")
    """What is divided by `se_reduction`: the gated width, or the block's input."""
    se_divisor: int = field(Int(), 1)
    """What the quotient is rounded to."""
    se_bias: bool = field(Bool(), False)
    """Whether SE's two linear layers have biases."""
    se_nl: str = field(NL, "relu")
    """The non-linearity between SE's two linear layers."""
    se_gate: str = field(GATES, "hsigmoid")
    """What SE's output passes before it scales the channels."""

    def gate(self, channels: int, cin: int, settings: Settings) -> Layer | None:
        """Return the gate over `channels` in a block of `cin` input channels, or None."""
        if not self.se:
            return None
        if self.se_kind == "eca":
            return channel_attention(channels)
        if self.se_kind == "coordinate":
            return coordinate_attention(self, channels, settings)
        of = cin if self.se_of == "input" else channels
        squeezed = of // self.se_reduction
        if squeezed and self.se_divisor > 1:
            squeezed = scaled(squeezed, self.se_divisor)
        if squeezed < 1:
            raise InputError(
                f"SE with reduction {self.se_reduction} squeezes {of} channels to none; "
                f"use a reduction of at most {of}"
            )
        return _squeeze_excite(channels, squeezed, self.se_bias, self.se_nl, self.se_gate)


@shared
def _squeeze_excite(channels: int, squeezed: int, bias: bool, nl: str, gate: str) -> Gate:
    return Gate(
        named(
            pool=GlobalPool(),
            flatten=Flatten(),
            fc1=Linear(channels, squeezed, bias),
            act=act_layer(nl),
            fc2=Linear(squeezed, channels, bias),
            gate=Act(gate),
        )
    )


def reach(channels: int) -> int:
    """Return how many neighbouring channels ECA reads: the odd number nearest to (log2 C + 1) / 2.

    That is equation 12 of the paper, as its published code rounds.
    """
    wide = int((math.log2(channels) + 1) / 2)
    return wide if wide % 2 else wide + 1


def channel_attention(channels: int, kernel: int | None = None, gate: str = SIGMOID) -> Layer:
    """Return ECA over `channels`, which reads `kernel` neighbours, by default the paper's."""
    kernel = kernel or reach(channels)
    if kernel % 2 == 0:
        raise InputError(f"kernel {kernel} is even, and has no middle; use {kernel + 1}")
    return Gate(
        named(pool=GlobalPool(), flatten=Flatten(), conv=ChannelConv(kernel), gate=Act(gate))
    )


def coordinate_attention(
    row: Normed,
    channels: int,
    settings: Settings,
    *,
    reduction: int = REDUCTION,
    least: int = LEAST,
    nl: str = "hswish",
    bias: bool = True,
    gate: str = SIGMOID,
) -> Layer:
    """Return coordinate attention over `channels`, with the norm of `row`.

    Its squeezed width is C / `reduction`, and at least `least`.
    """
    inner = max(least, channels // reduction)
    squeeze = seq(
        conv=row.conv(Conv(channels, inner, bias=bias)),
        norm=row.norm_layer(inner, settings),
        act=act_layer(nl),
    )
    factors = seq(conv=row.conv(Conv(inner, channels, bias=bias)), gate=Act(gate))
    return CoordinateGate(named(squeeze=squeeze, rows=factors, columns=factors))
