"""Rows of several branches whose maps are concatenated: the Inception family.

`inception` keeps the map's size (Szegedy et al., CVPR 2015 and 2016), `reduction` makes it smaller
in all branches at once (2016, section 5), and `inception_res` adds what its branches make to its
input (Szegedy et al., AAAI 2017).
"""

# ruff: noqa: RUF009 (a part is declared as a field is)

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fuseablate.errors import InputError
from fuseablate.layers import (
    Children,
    Concat,
    Conv,
    Layer,
    Pool,
    Scale,
    Seq,
    Shape,
    named,
)
from fuseablate.ops.fields import (
    Bool,
    Choice,
    Float,
    Int,
    Kernel,
    Listed,
    chain,
    check_kernel,
    field,
    listed,
    padding_of,
    part,
    sides,
)
from fuseablate.ops.row import Fields, Settings
from fuseablate.ops.shared import NL, NL_OR_SAME, NORM, WithSE, act_layer, residual
from fuseablate.ops.spatial import FORM, spatial_norm

Place = tuple[int, str]  # the stride and the padding of a step
WITHIN: Place = (1, "same")


@dataclass(frozen=True)
class Fork(Kernel):
    """A kernel, or several side by side, whose outputs are concatenated: `1x3+3x1`."""

    def check(self, value: object) -> int | str:
        """Return the kernels, or say how one is written."""
        if isinstance(value, str) and "+" in value:
            return "+".join(str(self.read(kernel)) for kernel in value.split("+"))
        return super().check(value)

    text: ClassVar[str] = rf"{Kernel.text}(\+{Kernel.text})*"


@dataclass(frozen=True, kw_only=True)
class Branch(Fields):
    """One branch: convolutions in turn, behind a 3x3 pool or without one; or the pool alone.

    Where there are fewer kernels than `out`, the first convolutions are 1x1.
    """

    pool: str | None = field(Choice(("max", "avg")), None)
    """A 3x3 pool in front of the convolutions, or alone."""
    kernel: int | str | None = field(Listed(Fork()), None)
    """One for each convolution, such as `1x1,3x3,3x3`; `1x3+3x1` are both, concatenated."""
    out: int | str | None = field(Listed(Int(scales=True)), None)
    """The channels of each convolution (of each of a pair), or one number for all."""

    def convolutions(self) -> list[tuple[list[tuple[int, int]], int]]:
        """Return each convolution in turn: its kernel (of a fork, both) and its channels."""
        if self.kernel is None and self.out is None:
            if self.pool is None:
                raise InputError("a branch needs kernel and out, or pool, or all three")
            return []
        if self.kernel is None or self.out is None:
            raise InputError("a branch with convolutions needs both kernel and out")
        steps = chain(self.kernel, self.out)
        return [
            ([sides(k) for k in listed(str(kernel).replace("+", ","))], out)
            for kernel, out in steps
        ]


@dataclass(frozen=True, kw_only=True)
class Branches(WithSE):
    """Up to six branches over the same input, in the order of their names.

    All fields but the branches' own hold for every convolution.
    """

    norm: str = field(NORM, "batch")
    se: bool | None = field(Bool(), False)
    nl: str = field(NL, "relu")
    bias: bool = field(Bool(), False)
    spatial: str = field(FORM, "dense")
    """The form of the square KxK convolutions; a 1x1 or a 1x7 stays as it is."""
    count_padding: bool = field(Bool(), True)
    """Whether average pools count the zeros of the padding."""
    b1: Branch | None = part(Branch)
    b2: Branch | None = part(Branch)
    b3: Branch | None = part(Branch)
    b4: Branch | None = part(Branch)
    b5: Branch | None = part(Branch)
    b6: Branch | None = part(Branch)

    def branches(self) -> dict[str, Branch]:
        """Return the branches that are there, by name; an error where there is none."""
        branches = {
            name: branch for name in self.parts() if (branch := getattr(self, name)) is not None
        }
        if not branches:
            raise InputError('needs a branch, such as b1 = { kernel = "1x1", out = "64" }')
        return branches

    def kernel_text(self, shape: Shape) -> str:
        return f"{len(self.branches())} br."

    def joined(self, cin: int, last: Place, settings: Settings) -> Layer:
        """Return the branches, concatenated; `last` is the place of each one's last step."""
        made = []
        for name, branch in self.branches().items():
            try:
                made.append((name, self._chain(branch, cin, last, settings)))
            except InputError as error:
                raise error.within(name) from None
        return Concat(tuple(made))

    def _chain(self, branch: Branch, cin: int, last: Place, settings: Settings) -> Layer:
        convolutions = branch.convolutions()
        steps: list[tuple[str, Layer]] = []
        if branch.pool:
            steps.append(("pool", self._pool(branch.pool, WITHIN if convolutions else last)))
        for number, (kernels, out) in enumerate(convolutions, 1):
            place = last if number == len(convolutions) else WITHIN
            fork = [self._conv(Conv(cin, out, kernel), place, settings) for kernel in kernels]
            pair = tuple((f"fork{n}", conv) for n, conv in enumerate(fork, 1))
            steps.append((f"conv{number}", Concat(pair) if len(pair) > 1 else fork[0]))
            cin = out * len(fork)
        return Seq(tuple(steps))

    def _pool(self, kind: str, place: Place) -> Layer:
        stride, padding = place
        zeros = padding_of(padding, (3, 3))
        return Pool(kind, (3, 3), (stride, stride), zeros, count_padding=self.count_padding)

    def _conv(self, conv: Conv, place: Place, settings: Settings) -> Layer:
        stride, padding = place
        if padding == "same":
            check_kernel(conv.kernel, stride)
        zeros = padding_of(padding, conv.kernel)
        conv = Conv(conv.cin, conv.cout, conv.kernel, (stride, stride), zeros, bias=self.bias)
        form = self.spatial if conv.kernel[0] == conv.kernel[1] > 1 else "dense"
        return spatial_norm(self, form, conv, self.nl, settings)


@dataclass(frozen=True, kw_only=True)
class Inception(Branches):
    """Branches that keep the map's size, concatenated; SE, where there is one, behind them."""

    op: ClassVar[str] = "inception"
    title: ClassVar[str] = "Inception"
    without: ClassVar[Mapping[str, str]] = {"residual": "op=inception_res adds its input"}
    short_title: ClassVar[str] = "Incept."
    repeats: ClassVar[bool] = True

    def layers(self, shape: Shape, settings: Settings) -> Layer:
        cin = self.channels_in(shape)
        joined = self.joined(cin, WITHIN, settings)
        channels = joined.infer(shape)[0][0]
        return Seq(named(branches=joined, se=self.gate(channels, cin, settings)))


@dataclass(frozen=True, kw_only=True)
class Reduction(Branches):
    """Branches that all make the map smaller: `stride` and `padding` are those of their last step.

    With stride 1 and padding valid it trims the map's edge, as in the stem of Inception-v4.
    """

    op: ClassVar[str] = "reduction"
    title: ClassVar[str] = "Reduction"
    short_title: ClassVar[str] = "Reduct."

    stride: int = field(Int(), 2)
    padding: str = field(Choice(("same", "valid")), "valid")

    def layers(self, shape: Shape, settings: Settings) -> Layer:
        cin = self.channels_in(shape)
        joined = self.joined(cin, (self.stride, self.padding), settings)
        channels = joined.infer(shape)[0][0]
        return Seq(named(branches=joined, se=self.gate(channels, cin, settings)))


@dataclass(frozen=True, kw_only=True)
class InceptionRes(Branches):
    """Branches, a 1x1 convolution (biased, without norm) to the input's channels, the sum, the NL.

    `residual=false` leaves the input out.
    """

    op: ClassVar[str] = "inception_res"
    title: ClassVar[str] = "InceptionRes"
    short_title: ClassVar[str] = "IncRes"
    repeats: ClassVar[bool] = True

    scale: float = field(Float(0.001, 10), 1.0)
    """What the branch is multiplied by before the sum (the paper's section 3.3)."""
    nl_last: str = field(NL_OR_SAME, "same")
    """The NL after the sum; `same` as the convolutions' own."""
    residual: bool = field(Bool(), True)

    def layers(self, shape: Shape, settings: Settings) -> Layer:
        cin = self.channels_in(shape)
        joined = self.joined(cin, WITHIN, settings)
        channels = joined.infer(shape)[0][0]
        body: Children = named(
            branches=joined,
            project=self.conv(Conv(channels, cin, bias=True)),
            se=self.gate(cin, cin, settings),
            scale=None if self.scale == 1 else Scale(float(self.scale)),
        )
        after = named(act=act_layer(self.nl if self.nl_last == "same" else self.nl_last))
        if not self.residual:
            return Seq((*body, *after))
        return Seq((("residual", residual(body, settings)), *after))
