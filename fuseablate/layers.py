"""The layer algebra: what a network is made of, as plain frozen data.

Every row of a spec means one tree of these layers. From that tree alone come the shapes, the
params and the MACs (here, without torch), the `nn.Module` (network.py) and the proof that the
two agree (proof.py). Shapes are those of one image: `(C, H, W)` for a map, `(C,)` once it is
flattened. MACs are the multiply-accumulates of convolutions and linear layers, for one image.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Protocol, cast

from fuseablate.errors import InputError

Shape = tuple[int, ...]
Pair = tuple[int, int]

ACTIVATIONS = (
    "relu", "relu6", "hswish", "swish", "gelu", "mish", "leaky_relu", "elu",
    "sigmoid", "hsigmoid",
)  # fmt: skip


class Cost(NamedTuple):
    """What one image costs; costs add up.

    params: learned numbers. macs: multiply-accumulates of convolutions and linear layers.
    activations: numbers that convolutions and linear layers put out. bytes: weights and buffers
    as saved (float32, and the eight bytes of each BatchNorm's counter). norm, pool, elementwise:
    numbers that pass through such layers; this work is never mixed into the MACs.
    """

    params: int = 0
    macs: int = 0
    activations: int = 0
    bytes: int = 0
    norm: int = 0
    pool: int = 0
    elementwise: int = 0

    def __add__(self, other: Cost) -> Cost:  # type: ignore[override]
        """Return the cost of both."""
        return Cost(
            self.params + other.params,
            self.macs + other.macs,
            self.activations + other.activations,
            self.bytes + other.bytes,
            self.norm + other.norm,
            self.pool + other.pool,
            self.elementwise + other.elementwise,
        )

    @staticmethod
    def total(costs: Iterable[Cost]) -> Cost:
        """Return the sum of all; many times as fast as adding them one by one."""
        return Cost(*map(sum, zip(*costs, strict=True)))


class Layer(Protocol):
    """A layer or a tree of layers."""

    def trace(self, shape: Shape) -> tuple[Shape, Cost]:
        """Return the shape that comes out for an image of `shape`, and what that costs."""
        ...


def numbers(shape: Shape) -> int:
    """Return how many numbers a tensor of `shape` holds."""
    count = 1
    for side in shape:
        count *= side
    return count


def as_map(shape: Shape, what: str) -> tuple[int, int, int]:
    """Return `shape` as `(C, H, W)`, or say that `what` needs a map."""
    if len(shape) != 3:
        raise InputError(f"{what} needs a map (C, H, W), and gets a vector of {shape[0]}")
    return shape[0], shape[1], shape[2]


@dataclass(frozen=True, slots=True)
class Conv:
    """A 2-d convolution (cross-correlation), zero-padded."""

    cin: int
    cout: int
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    groups: int = 1
    bias: bool = False

    def trace(self, shape: Shape) -> tuple[Shape, Cost]:
        """Trace; an error where channels do not divide or the map shrinks to nothing."""
        c, h, w = as_map(shape, "a convolution")
        if c != self.cin:
            raise InputError(f"a convolution of {self.cin} channels gets {c}")
        if self.cin % self.groups or self.cout % self.groups:
            raise InputError(
                f"{self.cin} to {self.cout} channels do not divide into {self.groups} groups"
            )
        sides = []
        for n, k, s, p in zip((h, w), self.kernel, self.stride, self.padding, strict=True):
            out = (n + 2 * p - k) // s + 1
            if out < 1 or (s > n > 1):
                raise InputError(
                    f"kernel {k} with stride {s} leaves nothing of a {h}x{w} map; "
                    f"use a stride of at most {n}"
                )
            sides.append(out)
        after = (self.cout, *sides)
        weights = self.cout * (self.cin // self.groups) * self.kernel[0] * self.kernel[1]
        params = weights + (self.cout if self.bias else 0)
        out_numbers = numbers(after)
        return after, Cost(
            params=params,
            macs=weights * sides[0] * sides[1],
            activations=out_numbers,
            bytes=4 * params,
        )


@dataclass(frozen=True, slots=True)
class Linear:
    """A fully connected layer on a vector."""

    cin: int
    cout: int
    bias: bool = False

    def trace(self, shape: Shape) -> tuple[Shape, Cost]:
        """Trace; an error where the input is no vector of `cin`."""
        if shape != (self.cin,):
            raise InputError(f"a linear layer of {self.cin} inputs gets a tensor of shape {shape}")
        params = self.cin * self.cout + (self.cout if self.bias else 0)
        return (self.cout,), Cost(
            params=params, macs=self.cin * self.cout, activations=self.cout, bytes=4 * params
        )


@dataclass(frozen=True, slots=True)
class Norm:
    """Batch normalisation over the channels of a map, with a learned scale and shift."""

    channels: int

    def trace(self, shape: Shape) -> tuple[Shape, Cost]:
        """Trace: four numbers a channel are saved, two of them learned, and one counter."""
        return shape, Cost(
            params=2 * self.channels, bytes=16 * self.channels + 8, norm=numbers(shape)
        )


@dataclass(frozen=True, slots=True)
class Act:
    """A non-linearity, by its name in `ACTIVATIONS`."""

    kind: str

    def trace(self, shape: Shape) -> tuple[Shape, Cost]:
        """Trace: the shape stays."""
        return shape, Cost(elementwise=numbers(shape))


@dataclass(frozen=True, slots=True)
class GlobalPool:
    """The mean of each channel's map: `(C, H, W)` to `(C, 1, 1)`."""

    def trace(self, shape: Shape) -> tuple[Shape, Cost]:
        """Trace; an error where the input is no map."""
        c, _, _ = as_map(shape, "pooling")
        return (c, 1, 1), Cost(pool=numbers(shape))


@dataclass(frozen=True, slots=True)
class Flatten:
    """A map as a vector: `(C, H, W)` to `(C * H * W,)`."""

    def trace(self, shape: Shape) -> tuple[Shape, Cost]:
        """Trace: nothing is computed."""
        return (numbers(shape),), Cost()


@dataclass(frozen=True, slots=True)
class Dropout:
    """Dropout with probability `p` while training; nothing at all in eval mode."""

    p: float

    def trace(self, shape: Shape) -> tuple[Shape, Cost]:
        """Trace: an eval-mode image passes for free."""
        return shape, Cost()


Named = tuple[tuple[str, Layer], ...]


@dataclass(frozen=True, slots=True)
class Seq:
    """Layers one after another, each with the name that its parameters bear."""

    children: Named

    def trace(self, shape: Shape) -> tuple[Shape, Cost]:
        """Trace the children in turn."""
        costs = []
        for _, child in self.children:
            shape, cost = child.trace(shape)
            costs.append(cost)
        return shape, Cost.total(costs)


@dataclass(frozen=True, slots=True)
class Concat:
    """Branches over the same input, concatenated along the channels."""

    children: Named

    def trace(self, shape: Shape) -> tuple[Shape, Cost]:
        """Trace; an error where the branches' maps differ in size."""
        return _join([(name, *child.trace(shape)) for name, child in self.children])


@dataclass(frozen=True, slots=True)
class Split:
    """The channels dealt out in equal runs, one to each branch, and concatenated again."""

    children: Named

    def trace(self, shape: Shape) -> tuple[Shape, Cost]:
        """Trace; an error where the channels do not divide among the branches."""
        c, h, w = as_map(shape, "a split")
        if c % len(self.children):
            raise InputError(f"{c} channels do not divide among {len(self.children)} branches")
        part = (c // len(self.children), h, w)
        return _join([(name, *child.trace(part)) for name, child in self.children])


def _join(branches: list[tuple[str, Shape, Cost]]) -> tuple[Shape, Cost]:
    maps = {shape[1:] for _, shape, _ in branches}
    if len(maps) > 1:
        found = ", ".join(f"{name} {'x'.join(map(str, shape[1:]))}" for name, shape, _ in branches)
        raise InputError(f"branches end in maps of different sizes ({found})")
    total = Cost.total(cost for _, _, cost in branches)
    return (sum(shape[0] for _, shape, _ in branches), *maps.pop()), total


@dataclass(frozen=True, slots=True)
class Add:
    """A residual: the input plus what the children, one after another, make of it."""

    children: Named

    def trace(self, shape: Shape) -> tuple[Shape, Cost]:
        """Trace; an error where the children change the shape."""
        after, cost = Seq(self.children).trace(shape)
        if after != shape:
            raise InputError(f"a residual needs equal shapes, and has {shape} and {after}")
        return shape, cost + Cost(elementwise=numbers(shape))


@dataclass(frozen=True, slots=True)
class Gate:
    """The input times one factor a channel, which the children make of it (squeeze-and-excite)."""

    children: Named

    def trace(self, shape: Shape) -> tuple[Shape, Cost]:
        """Trace; an error where the children do not end in one number a channel."""
        after, cost = Seq(self.children).trace(shape)
        if numbers(after) != shape[0]:
            raise InputError(f"a gate over {shape[0]} channels gets factors of shape {after}")
        return shape, cost + Cost(elementwise=numbers(shape))


def named(**children: Layer | None) -> Named:
    """Return the layers with their names; those that are None are left out."""
    return tuple((name, child) for name, child in children.items() if child is not None)


def seq(**children: Layer | None) -> Seq:
    """Return a `Seq` of the named layers; those that are None are left out."""
    return Seq(named(**children))


def written(layer: Layer) -> str:
    """Return a tree as canonical text, for digests; fields at their defaults are left out.

    So a field that a later version adds changes no digest of a network that does not use it.
    """
    parts = []
    for field in fields(cast("Any", layer)):
        value = getattr(layer, field.name)
        if field.name == "children":
            parts += [f"{name}={written(child)}" for name, child in value]
        elif value != field.default:
            parts.append(f"{field.name}:{value}")
    return f"{type(layer).__name__}({','.join(parts)})"
