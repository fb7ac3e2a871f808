"""Rows that are one convolution: the stem, the last 1x1s, the classifier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from fuseablate.errors import InputError
from fuseablate.layers import (
    Conv,
    Flatten,
    Layer,
    Linear,
    Seq,
    Shape,
    named,
    numel,
)
from fuseablate.ops.fields import (
    Bool,
    Channels,
    Choice,
    Int,
    Kernel,
    Padding,
    check_kernel,
    field,
    padding_of,
    sides,
)
from fuseablate.ops.row import Settings
from fuseablate.ops.shared import NL, NORM, WithSE, act_layer, dropout
from fuseablate.ops.spatial import DEPTHWISE, FORM, spatial


@dataclass(frozen=True, kw_only=True)
class ConvRow(WithSE):
    """A convolution: dropout, conv, norm, SE, non-linearity, each where named.

    `out = "classes"` makes it the classifier.
    """

    op: ClassVar[str] = "conv"
    title: ClassVar[str] = "Conv2d"
    without: ClassVar[Mapping[str, str]] = {"residual": "op=basic adds its input"}
    kept: ClassVar[Mapping[str, object]] = {"kernel": 1}  # a 1x1 has no spatial kernel to change

    norm: str | None = field(NORM, None)
    """By default none, as behind a classifier. Over the `batch`; `group`: over 32 groups of
    channels, or the largest number below that divides both; `layer`: at each position over all
    channels."""
    kernel: int | str = field(Kernel())
    out: int | str = field(Channels("classes"))
    """Output channels; `classes` makes the row the classifier."""
    nl: str | None = field(NL, None)
    stride: int = field(Int(), 1)
    padding: int | str = field(Padding(), "same")
    groups: int = field(Int(), 1)
    """Groups of channels, each of which sees its own alone; as many as channels is depthwise."""
    spatial: str = field(FORM, "dense")
    """The form of a KxK convolution; a 1x1 stays as it is."""
    bias: bool = field(Bool(), False)
    dropout: bool | None = field(Bool(), None)
    """Whether the spec's `dropout` is applied before the convolution."""
    form: str | None = field(Choice(("conv", "linear", "flatten")), None)
    """A 1x1 convolution, or the linear layer that is the same function on a 1x1 map (the source's
    note 9); `flatten` is a linear layer over all numbers of a map of any size."""
    se_place: str = field(Choice(("before_nl", "after_nl")), "before_nl")
    """Where SE stands beside the non-linearity."""

    @classmethod
    def depthwise_forms(cls, values: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
        if values.get("spatial") not in DEPTHWISE.values() or sides(values["kernel"]) == (1, 1):
            return {}
        return {name: {"spatial": form} for name, form in DEPTHWISE.items()}

    def layers(self, shape: Shape, settings: Settings) -> Layer:
        """Return the convolution (or the linear layer) and what stands around it."""
        cout = settings.classes if self.out == "classes" else int(self.out)
        core = self._core(shape, cout, settings)
        se = self.gate(cout, shape[0], settings)
        before = self.se_place == "before_nl"
        around = named(
            norm=self.norm_layer(cout, settings),
            se=se if before else None,
            act=act_layer(self.nl),
            se_after=None if before else se,
        )
        return Seq((*named(dropout=dropout(self.dropout, settings)), *core, *around))

    def _core(self, shape: Shape, cout: int, settings: Settings) -> tuple[tuple[str, Layer], ...]:
        kernel = sides(self.kernel)
        if self.form in ("linear", "flatten"):
            on_point = shape[1:] in ((), (1, 1)) or self.form == "flatten"
            if not on_point or kernel != (1, 1) or self.norm not in (None, "none") or self.se:
                raise InputError(
                    f"form={self.form} needs a 1x1 map, kernel 1, no norm and no SE; the map is "
                    f"{'x'.join(map(str, shape[1:]))} and the kernel {self.kernel}; use form=conv"
                )
            flatten = Flatten() if len(shape) == 3 else None
            return named(flatten=flatten, conv=Linear(numel(shape), cout, self.bias))
        if len(shape) == 1:
            raise InputError("form=conv needs a map, and the row before ends in a linear layer; "
                             "use form=linear here too")  # fmt: skip
        cin = self.channels_in(shape)
        if self.padding == "same":
            check_kernel(kernel, self.stride)
        padding = padding_of(self.padding, kernel)
        conv = Conv(cin, cout, kernel, (self.stride, self.stride), padding, self.groups, self.bias)
        form = "dense" if kernel == (1, 1) else self.spatial
        return spatial(self, form, conv, self.nl, settings)
