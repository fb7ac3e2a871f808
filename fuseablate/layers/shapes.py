"""Shapes, and what a layer costs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

from fuseablate.errors import InputError
from fuseablate.io.display import Displayed

Shape = tuple[int, ...]
Pair = tuple[int, int]


class _Counts(NamedTuple):
    params: int = 0
    """Learned numbers."""
    macs: int = 0
    """Multiply-accumulates of convolutions and linear layers."""
    activations: int = 0
    """Numbers that convolutions and linear layers put out."""
    bytes: int = 0
    """Weights and buffers as saved: float32, and the eight bytes of each BatchNorm's counter."""
    norm: int = 0
    """Numbers that pass through norms. This work is never mixed into the MACs, nor the next two."""
    pool: int = 0
    elementwise: int = 0


class Cost(_Counts, Displayed, view="fuseablate.show:print_cost"):
    """What one image costs; costs add up."""

    __slots__ = ()

    def __add__(self, other: Cost) -> Cost:  # type: ignore[override]
        return Cost.total((self, other))

    @staticmethod
    def total(costs: Iterable[Cost]) -> Cost:
        """Return the sum of all."""
        # Written out, since every number of every network passes through here: it takes a third of
        # the time of `map(sum, zip(*costs))`, and `Cost(...)` would pass them on once more.
        params = macs = activations = size = norm = pool = elementwise = 0
        for cost in costs:
            params += cost[0]
            macs += cost[1]
            activations += cost[2]
            size += cost[3]
            norm += cost[4]
            pool += cost[5]
            elementwise += cost[6]
        return tuple.__new__(Cost, (params, macs, activations, size, norm, pool, elementwise))


class Layer(Protocol):
    """A layer or a tree of layers; `tag` is its name in digests, which never changes."""

    tag: ClassVar[str]

    def infer(self, shape: Shape) -> tuple[Shape, Cost]:
        """Return the shape that comes out for an image of `shape`, and what that costs."""
        ...


@runtime_checkable
class OwnLayer(Layer, Protocol):
    """A primitive of a plug-in: frozen data that says itself what the tables say of the others.

    Where it has them, these are asked too: `parameters()`, the shape of each learned tensor by its
    name; `cycles(shape, array)`, on a systolic array, without which one with MACs is refused;
    `window`, the kernel, stride and padding (each a pair) of what a position of its output reads.
    Its module draws its first weights in a method `initialise(generator)`, where it has other than
    those of torch's layers, and names in `operators` what torch traces of it that costs no MACs
    and that no shipped layer does (`aten::sin`).
    """

    def module(self) -> Any:
        """Return the `nn.Module`: images (N, *shape) to what `infer` says. It imports torch."""
        ...


def numel(shape: Shape) -> int:
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


def check_channels(shape: Shape, channels: int, what: str) -> None:
    """Raise `InputError` where `shape` is no map of so many channels."""
    if as_map(shape, what)[0] != channels:
        raise InputError(f"{what} of {channels} channels gets {shape[0]}")


def window_sides(
    sides: Pair, kernel: Pair, stride: Pair, padding: Pair, ceil: bool = False
) -> tuple[int, int]:
    """Return how often a window fits along each side of a map; `InputError` where it does not."""
    after = []
    for n, k, s, p in zip(sides, kernel, stride, padding, strict=True):
        room = n + 2 * p - k
        out = room // s + 1
        # A window that begins in the padding behind the map is left out, as torch does.
        if ceil and room % s and out * s < n + p:
            out += 1
        if out < 1 or (s > n > 1):
            raise InputError(
                f"kernel {k} with stride {s} leaves nothing of a {sides[0]}x{sides[1]} map; "
                + (f"use a stride of at most {n}" if room >= 0 else "use a larger input")
            )
        after.append(out)
    return after[0], after[1]
