"""Rows that a rule generates: RegNet's stages (Radosavovic et al., CVPR 2020, section 3.3)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fuseablate.errors import InputError
from fuseablate.ops.fields import Float, Int, field, scaled
from fuseablate.ops.row import Fields

WIDTHS = 8  # the generated widths are multiples of this


@dataclass(frozen=True)
class Stage:
    """Blocks of one width, of which the first strides."""

    depth: int
    out: int
    inner: int
    group_width: int


@dataclass(frozen=True, kw_only=True)
class RegNet(Fields):
    """The published parameters of a RegNet, one row of a table that stands for its stages."""

    depth: int = field(Int(most=1000))
    """Blocks in all."""
    initial: int = field(Int())
    """The width of the first block before it is quantised."""
    slope: float = field(Float(0, 10_000))
    """Before it is quantised, the width of block j is `initial + slope * j`."""
    quantisation: float = field(Float(1.01, 100))
    """The factor between two widths, w_m."""
    bottleneck: float = field(Float(0.01, 100), 1)
    """A block's width over that inside."""
    group_width: int = field(Int())
    """Channels a group."""
    stride: int = field(Int(), 2)
    """Of each stage's first block."""
    first_stride: int | None = field(Int(), None)
    """That of the first stage, where it is another."""

    def widths(self) -> list[int]:
        """Return the width of each block, by equations 2 to 4."""
        widths = []
        for block in range(self.depth):
            linear = self.initial + self.slope * block
            step = round(math.log(linear / self.initial) / math.log(self.quantisation))
            widths.append(round(self.initial * self.quantisation**step / WIDTHS) * WIDTHS)
        return widths

    def stages(self) -> list[Stage]:
        """Return the stages; a width is adjusted so that its groups divide it."""
        if self.initial % WIDTHS:
            raise InputError(
                f"initial {self.initial} is not a multiple of {WIDTHS}; "
                f"use {scaled(self.initial, WIDTHS)}"
            )
        stages = []
        for width, blocks in itertools.groupby(self.widths()):
            inside = max(1, int(width / self.bottleneck))
            group_width = min(self.group_width, inside)
            inside = scaled(inside, group_width)
            out = int(inside * self.bottleneck)
            stages.append(Stage(len(list(blocks)), out, inside, group_width))
        return stages


def regnet(table: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a table of op `bottle` for each stage; what is no parameter is a field of each.

    `inner` may be such a field: `in` where a block's width inside is that of its input.
    """
    for name in ("id", "out"):
        if name in table:
            raise InputError(f"op 'regnet' stands for several rows; leave '{name}' out")
    names = RegNet.rules()
    fields = {name: value for name, value in table.items() if name not in (*names, "op")}
    parameters = {name: value for name, value in table.items() if name in names}
    rule = RegNet(**RegNet.arguments("op 'regnet'", parameters))
    strides = itertools.chain([rule.first_stride or rule.stride], itertools.repeat(rule.stride))
    return [
        {
            "op": "bottle",
            "depth": stage.depth,
            "out": stage.out,
            "inner": stage.inner,
            "group_width": stage.group_width,
            "stride": stride,
            **fields,
        }
        for stage, stride in zip(rule.stages(), strides, strict=False)
    ]


Generator = Callable[[Mapping[str, Any]], list[dict[str, Any]]]
GENERATORS: Mapping[str, Generator] = {"regnet": regnet}
