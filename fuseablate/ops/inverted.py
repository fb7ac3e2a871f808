"""Inverted bottlenecks: expand by 1x1, filter each channel in space, project by 1x1.

`fuse` filters with a pair of one-dimensional depthwise convolutions (FuSeConv, Selvam et al.,
DATE 2021); `mbconv` with one KxK depthwise convolution (MobileNetV2, Sandler et al., CVPR 2018)
and is the control for the pair; `shift` moves the channels about instead (Wu et al., CVPR 2018).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from fuseablate.errors import InputError
from fuseablate.layers import (
    Concat,
    Conv,
    Layer,
    Pair,
    Shape,
    Shift,
    Split,
    seq,
)
from fuseablate.ops.fields import (
    Bool,
    Channels,
    Choice,
    Int,
    check_kernel,
    field,
    same_padding,
    width_of,
)
from fuseablate.ops.row import ByChannels, Settings
from fuseablate.ops.shared import (
    NL,
    NL_OR_SAME,
    NORM,
    WithSE,
    act_layer,
    conv_norm,
    residual,
    shared,
)
from fuseablate.ops.spatial import FORM

# What says the same as a form of the filter between two 1x1s.
INSTEAD = {
    "fuse": "the row itself with op=fuse",
    "fuse_half": "the row itself with op=fuse and variant=half",
    "shift": "the row itself with op=shift",
    "blueprint": "the 1x1s of two rows, one behind the other",
    "separable": "spatial=depthwise: the 1x1 behind it is there",
}


@dataclass(frozen=True, kw_only=True)
class InvertedBottleneck(ByChannels, WithSE):
    """What `fuse` and `mbconv` share.

    1. 1x1 conv to `exp`, norm, NL (`expand=wider` leaves it out where exp equals in)
    2. the spatial filter with stride, each convolution with its norm
    3. SE where `se`, then the second NL (`nl2=same` is the row's own)
    4. 1x1 conv to `out`, norm, no activation
    5. with `residual`, the input is added wherever stride is 1 and in equals out
    """

    repeats: ClassVar[bool] = True

    kernel: int = field(Int())
    norm: str = field(NORM, "batch")
    exp: int | str = field(Channels("([1-9][0-9]?)?in"))
    """A number, or `6in` for six times what comes in."""
    out: int = field(Int(scales=True))
    se: bool | None = field(Bool())
    nl: str = field(NL)
    stride: int = field(Int(), 1)
    residual: bool = field(Bool(), False)
    expand: str = field(Choice(("always", "wider")), "always")
    """Whether the 1x1 convolution in front stands always, or only where `exp` differs from the
    channels that come in."""
    nl2: str = field(NL_OR_SAME, "same")
    """The non-linearity behind the filter; `same` is `nl`."""
    se_place: str = field(Choice(("before_nl", "after_nl", "after_project")), "before_nl")
    """Where SE stands."""

    @abstractmethod
    def filter(self, exp: int, settings: Settings) -> tuple[Layer, int]:
        """Return the spatial filter over `exp` channels, and how many channels it puts out."""

    def tree(self, cin: int, settings: Settings) -> Layer:
        check_kernel((self.kernel, self.kernel), self.stride)
        exp = width_of(self.exp, cin)
        leave_out = self.expand == "wider" and exp == cin
        spatial, channels = self.filter(exp, settings)
        gated = self.out if self.se_place == "after_project" else channels
        se = self.gate(gated, cin, settings)
        body = seq(
            expand=None if leave_out else self.shared_conv_norm(settings, cin, exp, nl=self.nl),
            depthwise=spatial,
            se=se if self.se_place == "before_nl" else None,
            act=act_layer(self.nl if self.nl2 == "same" else self.nl2),
            se_after=se if self.se_place == "after_nl" else None,
            project=self.shared_conv_norm(settings, channels, self.out),
            se_last=se if self.se_place == "after_project" else None,
        )
        joins = self.residual and self.stride == 1 and cin == self.out
        return residual(body.children, settings) if joins else body

    @classmethod
    def depthwise_forms(cls, values: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
        return {
            "kxk": {"op": "mbconv", "spatial": "depthwise"},
            "fuse": {"op": "fuse", "variant": "full"},
            "fuse_half": {"op": "fuse", "variant": "half"},
        }

    def depthwise(
        self, channels: int, kernel: Pair, settings: Settings, stride: Pair | None = None
    ) -> Layer:
        """Return a depthwise convolution with its norm; it strides as the row does."""
        stride = stride or (self.stride, self.stride)
        conv = (channels, channels, kernel, stride, same_padding(kernel), channels)
        return self.shared_conv_norm(settings, *conv)


@dataclass(frozen=True, kw_only=True)
class Fuse(InvertedBottleneck):
    """1x1 to `exp`, depthwise 1xK and Kx1 side by side, 1x1 to `out`: the FuSe block."""

    op: ClassVar[str] = "fuse"
    title: ClassVar[str] = "Fuse"
    without: ClassVar[Mapping[str, str]] = {
        "spatial": "the pair is its form; op=mbconv takes the others"
    }

    variant: str = field(Choice(("full", "half")), "full")
    """`full` gives both one-dimensional convolutions all `exp` channels and ends in 2 x exp; `half`
    gives each one half of them and ends in exp."""
    order: str = field(Choice(("1xK,Kx1", "Kx1,1xK")), "1xK,Kx1")
    """Which of the pair's outputs comes first in the concatenation."""

    def kernel_text(self, shape: Shape) -> str:
        return f"{self.kernel}x1,1x{self.kernel}"

    def filter(self, exp: int, settings: Settings) -> tuple[Layer, int]:
        if self.variant == "half" and exp % 2:
            raise InputError(
                f"variant=half deals exp out to two convolutions, and {exp} is odd; use {exp + 1}"
            )
        half = self.variant == "half"
        channels = exp // 2 if half else exp
        norms = (self.weight_std, self.norm, settings.norm_eps, settings.norm_momentum)
        pair = _pair(channels, self.kernel, self.stride, *norms, half=half, order=self.order)
        return pair, 2 * channels


@shared
def _pair(
    channels: int, kernel: int, stride: int, *norms: Any, half: bool, order: str
) -> Concat | Split:
    """Return the two filters of a `Fuse` row; `norms` are what `conv_norm` takes of it."""
    kernels = {"row": (1, kernel), "column": (kernel, 1)}
    pair = []
    for name, sides in kernels.items() if order == "1xK,Kx1" else reversed(kernels.items()):
        conv = Conv(channels, channels, sides, (stride, stride), same_padding(sides), channels)
        pair.append((name, conv_norm(conv, *norms)))
    return Split(tuple(pair)) if half else Concat(tuple(pair))


@dataclass(frozen=True, kw_only=True)
class MBConv(InvertedBottleneck):
    """1x1 to `exp`, depthwise KxK, 1x1 to `out`: the inverted bottleneck."""

    op: ClassVar[str] = "mbconv"
    title: ClassVar[str] = "MBConv"

    spatial: str = field(FORM, "depthwise")
    """`factorised` is a depthwise 1xK, norm, NL, and a depthwise Kx1; `dense` filters over all
    channels, as in EfficientNet-V2's fused blocks. The other forms are ops of their own."""

    @classmethod
    def depthwise_forms(cls, values: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
        return super().depthwise_forms(values) if values.get("spatial") == "depthwise" else {}

    def filter(self, exp: int, settings: Settings) -> tuple[Layer, int]:
        size, stride = self.kernel, self.stride
        if self.spatial in INSTEAD:
            raise InputError(f"spatial={self.spatial} of an mbconv row is {INSTEAD[self.spatial]}")
        if self.spatial == "dense":
            conv = Conv(exp, exp, (size, size), (stride, stride), same_padding((size, size)))
            return self.conv_norm(conv, settings), exp
        if self.spatial == "depthwise":
            return self.depthwise(exp, (size, size), settings), exp
        across = self.depthwise(exp, (1, size), settings, (1, stride))
        down = self.depthwise(exp, (size, 1), settings, (stride, 1))
        return seq(row=across, act=act_layer(self.nl), column=down), exp


@dataclass(frozen=True, kw_only=True)
class ShiftRow(InvertedBottleneck):
    """1x1 to `exp`, a shift of the channels, 1x1 to `out`; the shift has no params and no MACs."""

    op: ClassVar[str] = "shift"
    title: ClassVar[str] = "Shift"
    without: ClassVar[Mapping[str, str]] = {
        "spatial": "the shift is its form; op=mbconv takes the others"
    }

    @classmethod
    def depthwise_forms(cls, values: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
        return {}

    def filter(self, exp: int, settings: Settings) -> tuple[Layer, int]:
        if self.kernel % 2 == 0:
            raise InputError(f"a shift needs an odd kernel; use {self.kernel + 1}")
        return Shift(self.kernel, self.stride), exp
