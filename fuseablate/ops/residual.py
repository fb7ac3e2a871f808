"""Residual blocks: the basic one and the bottleneck of ResNet (He et al., CVPR 2016).

With groups `bottle` is the block of ResNeXt and RegNet (Radosavovic et al., CVPR 2020), too.
`preact` is the bottleneck of ResNetV2 (He et al., ECCV 2016), as BiT builds it.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from fuseablate.errors import InputError
from fuseablate.layers import (
    Children,
    Conv,
    Layer,
    Seq,
    Sum,
    ZeroPadShortcut,
    named,
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
from fuseablate.ops.shared import NL, NORM, WithSE, act_layer, drop_path, residual
from fuseablate.ops.spatial import FORM, spatial_norm


@dataclass(frozen=True, kw_only=True)
class ResidualBlock(ByChannels, WithSE):
    """What the residual blocks share; `residual=false` leaves the shortcut out altogether."""

    repeats: ClassVar[bool] = True

    kernel: int = field(Int(), 3)
    norm: str = field(NORM, "batch")
    out: int = field(Int(scales=True))
    se: bool | None = field(Bool(), False)
    nl: str = field(NL, "relu")
    stride: int = field(Int(), 1)
    residual: bool = field(Bool(), True)
    shortcut: str = field(Choice(("project", "pad")), "project")
    """What it is where the shape changes: a convolution of `shortcut_kernel` with a norm, or
    subsampling and channels of zeros, without params."""
    shortcut_kernel: int = field(Int(), 1)
    """That of the shortcut's convolution."""
    spatial: str = field(FORM, "dense")
    """The form of the KxK convolutions."""

    @abstractmethod
    def body(self, cin: int, settings: Settings) -> Children:
        """Return the layers of the branch."""

    def tree(self, cin: int, settings: Settings) -> Layer:
        check_kernel((self.kernel, self.kernel), self.stride)
        after = named(act=act_layer(self.nl))
        return Seq((*self.joined(cin, settings), *after))

    def joined(self, cin: int, settings: Settings) -> Children:
        """Return the branch, and its sum with the shortcut where there is one."""
        if not self.residual:
            return self.body(cin, settings)
        branch = self.body(cin, settings)
        if self.keeps(cin):
            return named(residual=residual(branch, settings))
        branch = (*branch, *named(drop_path=drop_path(settings)))
        return named(residual=Sum(named(body=Seq(branch), shortcut=self.changing(cin, settings))))

    def keeps(self, cin: int) -> bool:
        """Whether the shape stays, so that the shortcut is the input itself."""
        return self.stride == 1 and cin == self.out

    def changing(self, cin: int, settings: Settings) -> Layer:
        """Return the shortcut where the shape changes."""
        if self.shortcut == "pad":
            return ZeroPadShortcut(cin, self.out, self.stride)
        kernel = (self.shortcut_kernel, self.shortcut_kernel)
        check_kernel(kernel, self.stride)
        stride = (self.stride, self.stride)
        return self.ending(Conv(cin, self.out, kernel, stride, same_padding(kernel)), settings)

    def ending(self, conv: Conv, settings: Settings) -> Layer:
        """Return a convolution that ends in the sum."""
        return self.conv_norm(conv, settings)

    def filter(
        self, cin: int, cout: int, stride: int, settings: Settings, groups: int = 1, *, last: bool
    ) -> Layer:
        """Return the KxK convolution in its form, with norm and, unless it is the last, NL."""
        kernel = (self.kernel, self.kernel)
        conv = Conv(cin, cout, kernel, (stride, stride), same_padding(kernel), groups)
        return spatial_norm(self, self.spatial, conv, self.nl, settings, last=last)


@dataclass(frozen=True, kw_only=True)
class Basic(ResidualBlock):
    """Two KxK convolutions to `out`; SE, where there is one, at the branch's end."""

    op: ClassVar[str] = "basic"
    title: ClassVar[str] = "Basic"

    def body(self, cin: int, settings: Settings) -> Children:
        return named(
            first=self.filter(cin, self.out, self.stride, settings, last=False),
            second=self.filter(self.out, self.out, 1, settings, last=True),
            se=self.gate(self.out, cin, settings),
        )


@dataclass(frozen=True, kw_only=True)
class Bottleneck(ResidualBlock):
    """1x1 to `inner` channels, KxK on those, 1x1 to `out`."""

    op: ClassVar[str] = "bottle"
    title: ClassVar[str] = "Bottle"

    inner: int | str = field(Channels("in"))
    """A number, or `in` for as many as come in."""
    group_width: int | None = field(Int(), None)
    """Channels a group of the KxK; none is one group of all."""
    stride_at: str = field(Choice(("filter", "first")), "filter")
    """Whether the KxK strides, or the first 1x1 as published."""
    se_place: str = field(Choice(("after_project", "after_nl")), "after_project")
    """At the branch's end, or behind the KxK's NL (RegNetY)."""

    def step(self, name: str, divisor: int) -> int:
        if name != "inner" or not self.group_width:
            return divisor
        return math.lcm(divisor, self.group_width)

    def groups(self, inner: int) -> int:
        width = self.group_width or inner
        if inner % width:
            raise InputError(
                f"{inner} channels inside do not divide into groups of {width}; "
                f"use {max(inner // width, 1) * width}"
            )
        return inner // width

    def strides(self) -> tuple[int, int]:
        """Return the strides of the first 1x1 and of the KxK."""
        return (1, self.stride) if self.stride_at == "filter" else (self.stride, 1)

    def body(self, cin: int, settings: Settings) -> Children:
        inner = width_of(self.inner, cin)
        first, filtering = self.strides()
        inside = self.se_place == "after_nl"
        se = self.gate(inner if inside else self.out, cin, settings)
        reduce = Conv(cin, inner, stride=(first, first))
        return named(
            reduce=self.conv_norm(reduce, settings, self.nl),
            filter=self.filter(inner, inner, filtering, settings, self.groups(inner), last=False),
            se=se if inside else None,
            project=self.ending(Conv(inner, self.out), settings),
            se_last=None if inside else se,
        )


@dataclass(frozen=True, kw_only=True)
class Preact(Bottleneck):
    """The bottleneck with norm and NL before each convolution, and none after the sum.

    Where the shape changes, the shortcut is a convolution of the normed input, without a norm.
    """

    op: ClassVar[str] = "preact"
    title: ClassVar[str] = "Preact"

    def tree(self, cin: int, settings: Settings) -> Layer:
        check_kernel((self.kernel, self.kernel), self.stride)
        before = named(norm=self.norm_layer(cin, settings), act=act_layer(self.nl))
        if self.residual and self.keeps(cin):
            return residual((*before, *self.body(cin, settings)), settings)
        return Seq((*before, *self.joined(cin, settings)))

    def ending(self, conv: Conv, settings: Settings) -> Layer:
        """Return a convolution that ends in the sum: without a norm."""
        return self.conv(conv)
