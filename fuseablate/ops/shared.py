"""What rows with convolutions share: norms, non-linearities, residuals and gates.

Gates scale a map by what they make of it. Squeeze-and-excite (Hu et al., CVPR 2018) scales its
channels; efficient channel attention (Wang et al., "ECA-Net", CVPR 2020), too, each by what its
neighbours' means say; coordinate attention (Hou et al., CVPR 2021) each line and each column,
channel by channel.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from fuseablate.errors import InputError
from fuseablate.layers import (
    ACTIVATIONS,
    Act,
    ChannelConv,
    Children,
    Conv,
    CoordinateGate,
    Dropout,
    DropPath,
    Flatten,
    Gate,
    GlobalPool,
    Layer,
    LayerNorm,
    Linear,
    Norm,
    Residual,
    named,
    seq,
)
from fuseablate.ops.fields import Bool, Choice, Int, field, scaled
from fuseablate.ops.row import Row, Settings

GATE_TITLES = {"se": "SE", "eca": "ECA", "coordinate": "Coord"}
SIGMOID = "sigmoid"  # of both kinds of attention, as published
REDUCTION, LEAST = 32, 8  # of coordinate attention, as published


@dataclass(frozen=True)
class ActivationNames(Collection[str]):
    """The names of the activations that a field may name, plug-ins' among them."""

    gates: bool
    """Whether it is the gate of an SE module, or a non-linearity."""
    more: tuple[str, ...] = ()

    def __contains__(self, name: object) -> bool:
        if name in self.more:
            return True
        return name in ACTIVATIONS and ACTIVATIONS[str(name)].gate == self.gates

    def __iter__(self) -> Iterator[str]:
        yield from (name for name, act in ACTIVATIONS.items() if act.gate == self.gates)
        yield from self.more

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True)
class ActivationAliases:
    """Other words for the activations, each with the name that it stands for."""

    gates: bool

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for name, act in ACTIVATIONS.items():
            if act.gate == self.gates:
                yield from ((alias, name) for alias in act.aliases)


NL = Choice(ActivationNames(False, ("identity",)), ActivationAliases(False))
NL_OR_SAME = Choice(ActivationNames(False, ("same", "identity")), ActivationAliases(False))
GATES = Choice(ActivationNames(True), ActivationAliases(True))
NORM = Choice(("batch", "group", "layer", "none"))
GROUPS = 32  # of group normalisation, as published (Wu and He, ECCV 2018)

# Makes what rows are made of most once for all rows and variants: a search counts a hundred
# thousand networks out of a few thousand parts, each of which infers its shapes and costs once.
# Typed, since 1 and 1.0 are equal and differ in a digest.
shared = functools.lru_cache(maxsize=100_000, typed=True)


@shared
def act_layer(nl: str | None) -> Layer | None:
    """Return the non-linearity that the field names, or None."""
    return None if nl in (None, "identity") else Act(str(nl))


def drop_path(settings: Settings) -> Layer | None:
    """Return the stochastic depth of this row's branch, or None."""
    return DropPath(settings.drop_path) if settings.drop_path else None


def dropout(wanted: bool | None, settings: Settings) -> Layer | None:
    """Return the spec's dropout where a row wants it and there is some, or None."""
    return Dropout(settings.dropout) if wanted and settings.dropout else None


def residual(branch: Children, settings: Settings) -> Residual:
    """Return a branch, with its stochastic depth, added to its input."""
    return Residual((*branch, *named(drop_path=drop_path(settings))))


@dataclass(frozen=True, kw_only=True)
class Normed(Row):
    """A row of convolutions, each with a norm."""

    norm: str | None = field(NORM, None)
    """Over the `batch`; `group`: over 32 groups of channels, or the largest number below that
    divides both; or `layer`: at each position over all channels."""
    weight_std: bool = field(Bool(), False)
    """Whether the convolutions' weights are standardised."""

    def norm_layer(self, channels: int, settings: Settings) -> Layer | None:
        """Return the norm that the field names, or None."""
        return _norm_layer(self.norm, channels, settings.norm_eps, settings.norm_momentum)

    def conv(self, conv: Conv) -> Conv:
        """Return a convolution of this row, its weights standardised where the row says so."""
        return _standardised(conv) if self.weight_std else conv

    def conv_norm(self, conv: Conv, settings: Settings, nl: str | None = None) -> Layer:
        """Return a convolution with its norm and non-linearity, where it has them."""
        eps, momentum = settings.norm_eps, settings.norm_momentum
        return conv_norm(conv, self.weight_std, self.norm, eps, momentum, nl=nl)

    def shared_conv_norm(self, settings: Settings, *conv: Any, nl: str | None = None) -> Layer:
        """Return `conv_norm` of a convolution of these fields, which is looked up by them."""
        eps, momentum = settings.norm_eps, settings.norm_momentum
        return _conv_norm_of(self.weight_std, self.norm, eps, momentum, nl, *conv)


@shared
def conv_norm(
    conv: Conv,
    standardised: bool,
    norm: str | None,
    eps: float,
    momentum: float,
    *,
    nl: str | None = None,
) -> Layer:
    """Return a convolution with a norm and non-linearity; see the fields of `Normed`."""
    return seq(
        conv=_standardised(conv) if standardised else conv,
        norm=_norm_layer(norm, conv.cout, eps, momentum),
        act=act_layer(nl),
    )


@shared
def _conv_norm_of(
    standardised: bool, norm: str | None, eps: float, momentum: float, nl: str | None, *conv: Any
) -> Layer:
    return conv_norm(Conv(*conv), standardised, norm, eps, momentum, nl=nl)


@shared
def _norm_layer(norm: str | None, channels: int, eps: float, momentum: float) -> Layer | None:
    if norm in (None, "none"):
        return None
    if norm == "layer":
        return LayerNorm(channels, eps)
    if norm == "group":  # which has no running statistics, and so no momentum
        return Norm(channels, math.gcd(GROUPS, channels), eps)
    return Norm(channels, 0, eps, momentum)


def _standardised(conv: Conv) -> Conv:
    if conv.cin == conv.groups and conv.kernel == (1, 1):
        raise InputError(
            "weight_std=true needs kernels of several weights, and a depthwise 1x1 has one; "
            "use a larger kernel"
        )
    return dataclasses.replace(conv, standardised=True)


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
