"""The mlpconv layer of Network in Network (Lin et al., ICLR 2014)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fuseablate.layers import Conv, Layer, Seq, Shape, named
from fuseablate.ops.fields import (
    Bool,
    Int,
    Listed,
    Padding,
    check_kernel,
    field,
    listed,
    padding_of,
)
from fuseablate.ops.row import Settings
from fuseablate.ops.shared import NL, NORM, WithSE, dropout
from fuseablate.ops.spatial import FORM, spatial_norm


@dataclass(frozen=True, kw_only=True)
class MlpConv(WithSE):
    """A KxK convolution and 1x1 ones behind it, one for each number of `out`: `192,160,96`.

    At each pixel this is a perceptron of as many layers. Every convolution has a bias and an NL,
    as published, and a norm where an edit puts one.
    """

    op: ClassVar[str] = "mlpconv"
    title: ClassVar[str] = "MlpConv"

    kernel: int = field(Int())
    out: int | str = field(Listed(Int(scales=True)))
    norm: str = field(NORM, "none")
    se: bool | None = field(Bool(), False)
    nl: str = field(NL, "relu")
    stride: int = field(Int(), 1)
    padding: int | str = field(Padding(), "same")
    bias: bool = field(Bool(), True)
    spatial: str = field(FORM, "dense")
    """The form of the KxK."""
    dropout: bool | None = field(Bool(), None)
    """Whether there is dropout before it."""

    def kernel_text(self, shape: Shape) -> str:
        pointwise = ["1x1"] * (len(listed(self.out)) - 1)
        return ",".join([f"{self.kernel}x{self.kernel}", *pointwise])

    def layers(self, shape: Shape, settings: Settings) -> Layer:
        """Return dropout, the convolutions with norm and NL, and SE."""
        cin = self.channels_in(shape)
        kernel = (self.kernel, self.kernel)
        if self.padding == "same":
            check_kernel(kernel, self.stride)
        first, *others = (int(out) for out in listed(self.out))
        stride = (self.stride, self.stride)
        zeros = padding_of(self.padding, kernel)
        conv = Conv(cin, first, kernel, stride, zeros, bias=self.bias)
        steps: list[Layer] = [spatial_norm(self, self.spatial, conv, self.nl, settings)]
        before = first
        for out in others:
            steps.append(self.conv_norm(Conv(before, out, bias=self.bias), settings, self.nl))
            before = out
        return Seq(
            (
                *named(dropout=dropout(self.dropout, settings)),
                *((f"conv{number}", step) for number, step in enumerate(steps, 1)),
                *named(se=self.gate(before, cin, settings)),
            )
        )
