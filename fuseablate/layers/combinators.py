"""The combinators: layers that are made of others, their children."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from fuseablate.errors import InputError
from fuseablate.layers.shapes import Cost, Layer, Shape, as_map, numel

Children = tuple[tuple[str, Layer], ...]
DOUBLINGS = 8  # of a map that is too small for a head


class _Combinator:
    """A layer with children, which remembers what it infers.

    Rows share their parts, a convolution with its norm among them, and `walk` asks at each depth
    of a tree for what lies beneath. So a part infers once for each shape. A refusal is not
    remembered: it ends what asked for it.
    """

    __slots__ = ("_inferred",)  # no field of the dataclasses: equality and digests go without it
    _inferred: dict[Shape, tuple[Shape, Cost]]

    def infer(self, shape: Shape) -> tuple[Shape, Cost]:
        try:
            return self._inferred[shape]
        except AttributeError:  # the first time
            object.__setattr__(self, "_inferred", {})
        except KeyError:
            pass
        inferred = self._inferred[shape] = self._infer(shape)
        return inferred

    @abstractmethod
    def _infer(self, shape: Shape) -> tuple[Shape, Cost]:
        """Return what `infer` does, from what the children infer."""


def _in_turn(children: Children, shape: Shape) -> tuple[Shape, Cost]:
    costs = []
    for _, child in children:
        shape, cost = child.infer(shape)
        costs.append(cost)
    return shape, Cost.total(costs)


@dataclass(frozen=True, slots=True)
class Seq(_Combinator):
    """Layers one after another, each with the name that its parameters bear."""

    tag: ClassVar[str] = "Seq"
    children: Children

    def _infer(self, shape: Shape) -> tuple[Shape, Cost]:
        return _in_turn(self.children, shape)


@dataclass(frozen=True, slots=True)
class Concat(_Combinator):
    """Branches over the same input, concatenated along the channels."""

    tag: ClassVar[str] = "Concat"
    children: Children

    def _infer(self, shape: Shape) -> tuple[Shape, Cost]:
        """Raise `InputError` where the branches' maps differ in size."""
        return _join([(name, *child.infer(shape)) for name, child in self.children])


@dataclass(frozen=True, slots=True)
class Split(_Combinator):
    """The channels dealt out in equal runs, one to each branch, and concatenated again."""

    tag: ClassVar[str] = "Split"
    children: Children

    def _infer(self, shape: Shape) -> tuple[Shape, Cost]:
        """Raise `InputError` where the channels do not divide among the branches."""
        c, h, w = as_map(shape, "a split")
        if c % len(self.children):
            raise InputError(f"{c} channels do not divide among {len(self.children)} branches")
        part = (c // len(self.children), h, w)
        return _join([(name, *child.infer(part)) for name, child in self.children])


def _join(branches: list[tuple[str, Shape, Cost]]) -> tuple[Shape, Cost]:
    maps = {shape[1:] for _, shape, _ in branches}
    if len(maps) > 1:
        sizes = ", ".join(f"{name} {'x'.join(map(str, shape[1:]))}" for name, shape, _ in branches)
        raise InputError(f"branches end in maps of different sizes ({sizes})")
    total = Cost.total(cost for _, _, cost in branches)
    return (sum(shape[0] for _, shape, _ in branches), *maps.pop()), total


@dataclass(frozen=True, slots=True)
class Residual(_Combinator):
    """A residual: the input plus what the children, one after another, make of it."""

    tag: ClassVar[str] = "Add"
    children: Children

    def _infer(self, shape: Shape) -> tuple[Shape, Cost]:
        """Raise `InputError` where the children change the shape."""
        after, cost = _in_turn(self.children, shape)
        if after != shape:
            raise InputError(f"a residual needs equal shapes, and has {shape} and {after}")
        return shape, cost + Cost(elementwise=numel(shape))


@dataclass(frozen=True, slots=True)
class Sum(_Combinator):
    """Branches over the same input, added."""

    tag: ClassVar[str] = "Sum"
    children: Children

    def _infer(self, shape: Shape) -> tuple[Shape, Cost]:
        """Raise `InputError` where the branches' shapes differ."""
        branches = [(name, *child.infer(shape)) for name, child in self.children]
        after = branches[0][1]
        for name, other, _ in branches:
            if other != after:
                raise InputError(
                    f"a residual needs equal shapes; {branches[0][0]} ends in "
                    f"{'x'.join(map(str, after))} and {name} in {'x'.join(map(str, other))}"
                )
        added = Cost(elementwise=numel(after) * (len(branches) - 1))
        return after, Cost.total([*(cost for _, _, cost in branches), added])


@dataclass(frozen=True, slots=True)
class Gate(_Combinator):
    """The input times one factor a channel, which the children make of it (squeeze-and-excite)."""

    tag: ClassVar[str] = "Gate"
    children: Children

    def _infer(self, shape: Shape) -> tuple[Shape, Cost]:
        """Raise `InputError` where the children do not end in one number a channel."""
        after, cost = _in_turn(self.children, shape)
        if numel(after) != shape[0]:
            raise InputError(f"a gate over {shape[0]} channels gets factors of shape {after}")
        return shape, cost + Cost(elementwise=numel(shape))


@dataclass(frozen=True, slots=True)
class CoordinateGate(_Combinator):
    """The input times a factor for each of its lines and one for each of its columns.

    Of a map `(C, H, W)` the means of the lines and those of the columns, `(C, H + W, 1)`, go
    through the first child; what it makes of the lines goes through the second, `(M, H, 1)` to
    factors `(C, H, 1)`, and of the columns through the third, `(M, 1, W)` to `(C, 1, W)`
    (coordinate attention, Hou et al., CVPR 2021).
    """

    tag: ClassVar[str] = "CoordinateGate"
    children: Children

    def _infer(self, shape: Shape) -> tuple[Shape, Cost]:
        """Raise `InputError` where the children do not end in factors of the input's channels."""
        both, *strips = self.parts(shape)
        (_, trunk), *gates = self.children
        costs = [trunk.infer(both)[1], Cost(pool=2 * numel(shape), elementwise=2 * numel(shape))]
        for (name, child), strip in zip(gates, strips, strict=True):
            after, cost = child.infer(strip)
            if after != (shape[0], *strip[1:]):
                raise InputError(f"'{name}' of a coordinate gate makes {after} of {strip}")
            costs.append(cost)
        return shape, Cost.total(costs)

    def parts(self, shape: Shape) -> tuple[Shape, Shape, Shape]:
        """Return what each child takes where the input is of `shape`."""
        channels, high, wide = as_map(shape, "a coordinate gate")
        both = (channels, high + wide, 1)
        (_, trunk), *_ = self.children
        inner = trunk.infer(both)[0][0]
        return both, (inner, high, 1), (inner, 1, wide)


@dataclass(frozen=True, slots=True)
class AuxHead(_Combinator):
    """A head at the side, an auxiliary classifier: the input passes on unchanged.

    What the children make of it are logits, which only training reads.
    Its params are counted; its MACs are not, since an image that is classified never runs it. So
    it may stand on a map that is too small for it; `check` says whether it can be trained there.
    """

    tag: ClassVar[str] = "Tap"
    children: Children
    weight: float
    """What its loss is multiplied by in the whole loss."""

    def _infer(self, shape: Shape) -> tuple[Shape, Cost]:
        """Return the params as on a map that is large enough, and no MACs."""
        channels, *sides = shape
        refused: list[InputError] = []
        for power in range(DOUBLINGS):
            try:
                larger = (channels, *(side << power for side in sides))
                _, cost = _in_turn(self.children, larger)
            except InputError as error:
                refused.append(error)
            else:
                return shape, Cost(params=cost.params, bytes=cost.bytes)
        raise refused[0]

    def check(self, shape: Shape) -> None:
        """Raise an `InputError` where the head cannot be run on such a map."""
        _in_turn(self.children, shape)


def named(**children: Layer | None) -> Children:
    """Return the layers with their names; those that are None are left out."""
    return tuple([(name, child) for name, child in children.items() if child is not None])


def seq(**children: Layer | None) -> Seq:
    """Return a `Seq` of the named layers; those that are None are left out."""
    return Seq(named(**children))
