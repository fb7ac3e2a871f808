"""Rows that are one convolution: the stem, the last 1x1s, the classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fuseablate.errors import InputError
from fuseablate.layers import Conv, Dropout, Flatten, Layer, Linear, Shape, as_map, seq
from fuseablate.ops.cells import ChannelsOut, Choice, Flag, Whole, cell
from fuseablate.ops.row import (
    NL,
    NORM,
    Row,
    Settings,
    act_layer,
    check_kernel,
    norm_layer,
    same_padding,
    squeeze_excite,
)


@dataclass(frozen=True, kw_only=True)
class ConvRow(Row):
    """A dense KxK convolution: dropout, conv, norm, SE, non-linearity, each where named.

    `out = "classes"` makes it the classifier. `form` chooses between a 1x1 convolution and the
    linear layer that is the same function on a 1x1 map (the source's note 9).
    """

    op: ClassVar[str] = "conv"
    title: ClassVar[str] = "Conv2d"

    kernel: int = cell(Whole())
    norm: str | None = cell(NORM, None)
    out: int | str = cell(ChannelsOut())
    se: bool | None = cell(Flag(), None)
    nl: str | None = cell(NL, None)
    stride: int = cell(Whole(), 1)
    bias: bool = cell(Flag(), False)
    dropout: bool | None = cell(Flag(), None)
    form: str | None = cell(Choice(("conv", "linear")), None)
    se_place: str = cell(Choice(("before_nl", "after_nl")), "before_nl")
    se_reduction: int = cell(Whole(), 4)

    def kernel_text(self, shape: Shape) -> str:
        """Return `KxK`."""
        return f"{self.kernel}x{self.kernel}"

    def layers(self, shape: Shape, settings: Settings) -> Layer:
        """Return the convolution (or the linear layer) and what stands around it."""
        check_kernel(self.kernel, self.stride)
        cout = settings.classes if self.out == "classes" else int(self.out)
        flatten, conv = self._core(shape, cout)
        se = squeeze_excite(cout, self.se_reduction) if self.se else None
        before = self.se_place == "before_nl"
        return seq(
            dropout=Dropout(settings.dropout) if self.dropout and settings.dropout else None,
            flatten=flatten,
            conv=conv,
            norm=norm_layer(self.norm, cout),
            se=se if before else None,
            act=act_layer(self.nl),
            se_after=None if before else se,
        )

    def _core(self, shape: Shape, cout: int) -> tuple[Layer | None, Layer]:
        if self.form == "linear":
            if shape[1:] not in ((), (1, 1)) or self.kernel != 1 or self.norm == "batch" or self.se:
                raise InputError(
                    f"form=linear needs a 1x1 map, kernel 1, no norm and no SE; the map is "
                    f"{'x'.join(map(str, shape[1:]))} and the kernel {self.kernel}; use form=conv"
                )
            return (Flatten() if len(shape) == 3 else None), Linear(shape[0], cout, self.bias)
        if len(shape) == 1:
            raise InputError("form=conv needs a map, and the row before ends in a linear layer; "
                             "use form=linear here too")  # fmt: skip
        cin, _, _ = as_map(shape, "a convolution")
        kernel = (self.kernel, self.kernel)
        return None, Conv(
            cin, cout, kernel, (self.stride, self.stride), same_padding(kernel), bias=self.bias
        )
