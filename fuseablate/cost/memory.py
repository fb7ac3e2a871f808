"""Peak memory of inference and of a training step, from the layers alone.

The tree of layers is run with blocks of memory in place of tensors. A block counts from its making
until nothing refers to it any more, and Python's own counting of references says when that is: the
code below holds on to blocks as torch's does. A forward pass for training leaves, for each layer, a
node with the blocks that its backward pass reads; the backward pass goes through the nodes from the
last to the first. What is counted outlives the operator that made it: the workspaces that a
library's kernels take for themselves depend on the machine, and are not known here.

The modules are those of the shipped training path: channels-last memory, float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from fuseablate.layers import (
    ACTIVATIONS,
    Act,
    AuxHead,
    Children,
    Concat,
    Conv,
    Dropout,
    DropPath,
    Flatten,
    Gate,
    GlobalPool,
    Layer,
    Linear,
    Norm,
    Pad,
    Pool,
    Residual,
    Scale,
    Seq,
    Shape,
    Shift,
    Split,
    Sum,
    ZeroPadShortcut,
    numel,
)
from fuseablate.spec import IMAGE_CHANNELS, Size, Spec

FLOAT = 4  # bytes
INDEX = 8  # bytes of a place that max pooling remembers
# Numbers that an optimizer keeps for each parameter.
OPTIMIZER_STATE = {"sgd": 1, "adam": 2, "adamw": 2, "adamax": 2, "rmsprop": 1}


class PeakMemory(NamedTuple):
    """Bytes at the worst moment, and what they are made of."""

    weights: int
    """Parameters and buffers."""
    optimizer: int
    """What the optimizer keeps; 0 for inference."""
    images: int
    """The batch."""
    work: int
    """Activations, gradients and the like, when they are at their most."""

    @property
    def total(self) -> int:
        return sum(self)


def inference_memory(spec: Spec, size: Size | None = None, batch: int = 1) -> PeakMemory:
    """Return the peak memory of classifying a batch of images of `size` (H, W)."""
    layers, image = spec.layers(size), (IMAGE_CHANNELS, *(size or spec.input))
    run = _Run(batch, training=False)
    run.layer(layers, _Tensor(run.block(0), image))
    return PeakMemory(layers.infer(image)[1].bytes, 0, FLOAT * batch * numel(image), run.peak)


def training_memory(
    spec: Spec, size: Size | None = None, batch: int = 1, optimizer: str = "sgd"
) -> PeakMemory:
    """Return the peak memory of a training step on a batch of images of `size` (H, W)."""
    layers, image = spec.layers(size), (IMAGE_CHANNELS, *(size or spec.input))
    cost = layers.infer(image)[1]
    run = _Run(batch, training=True)
    run.step(layers, image)
    state = FLOAT * OPTIMIZER_STATE[optimizer] * cost.params
    return PeakMemory(cost.bytes, state, FLOAT * batch * numel(image), run.peak)


class _Block:
    """Memory that is given back when nothing refers to it any more."""

    __slots__ = ("_run", "_size")

    def __init__(self, run: _Run, size: int) -> None:
        self._run, self._size = run, size
        run.now += size
        run.peak = max(run.peak, run.now)

    def __del__(self) -> None:
        self._run.now -= self._size


Backward = Callable[[_Block], "list[_Block]"]


@dataclass(slots=True, eq=False)
class _Node:
    """A layer's part of the backward pass: from the gradient behind it to those before it."""

    inputs: list[_Node | None]
    backward: Backward | None
    saved: tuple[object, ...]


class _Tensor(NamedTuple):
    block: _Block
    shape: Shape
    node: _Node | None = None


class _Run:
    """One pass over a tree of layers, or a training step."""

    def __init__(self, batch: int, training: bool) -> None:
        self.batch, self.training = batch, training
        self.now = self.peak = 0
        self._nodes: list[_Node] = []
        self._heads: list[_Tensor] = []
        self._gradients: list[_Block] = []

    def step(self, layers: Layer, image: Shape) -> None:
        """Pass forward, take the loss of each head, pass backward."""
        ends = [self.layer(layers, _Tensor(self.block(0), image)), *self._heads]
        losses = [self.map(end.shape) for end in ends]  # each keeps its logarithms of shares
        gradients = {id(end.node): self.map(end.shape) for end in ends}
        del ends
        self._heads.clear()
        while self._nodes:
            node = self._nodes.pop()
            gradient = gradients.pop(id(node), None)
            if gradient is None or node.backward is None:
                continue
            before = node.backward(gradient)
            node.backward, node.saved = None, ()
            for source, block in zip(node.inputs, before, strict=True):
                if source is not None:  # a second gradient is added to the first, in its place
                    gradients.setdefault(id(source), block)
            del gradient, before, block
        del losses

    def layer(self, layer: Layer, x: _Tensor, apart: bool = False) -> _Tensor:
        """Return what comes out of a layer; one that stands `apart` never works in place.

        It is the first of several, or follows a matrix product, which returns a view.
        """
        return _FORWARD[type(layer)](self, layer, x, apart)

    def chain(self, children: Children, x: _Tensor) -> _Tensor:
        apart = True
        for _, child in children:
            x = self.layer(child, x, apart)
            apart = isinstance(child, Conv) and _is_product(child)
        return x

    def block(self, size: int) -> _Block:
        return _Block(self, size)

    def map(self, shape: Shape) -> _Block:
        """Return a block of one number for each of a batch's."""
        return _Block(self, FLOAT * self.batch * numel(shape))

    def weights(self, count: int) -> _Block:
        return _Block(self, FLOAT * count)

    def gradient_of(self, count: int) -> None:
        """Make the gradient of so many parameters, which stays until the step is taken."""
        self._gradients.append(self.weights(count))

    def out(
        self, block: _Block, shape: Shape, inputs: list[_Tensor], backward: Backward, *saved: object
    ) -> _Tensor:
        """Return the tensor that a layer puts out, with its node where there is a backward pass."""
        if not self.training:
            return _Tensor(block, shape)
        self._nodes.append(_Node([each.node for each in inputs], backward, saved))
        return _Tensor(block, shape, self._nodes[-1])

    def fresh(self, layer: Layer, x: _Tensor, *saved: object) -> _Tensor:
        """Return a new map; its backward pass makes one of the input's shape."""
        shape, before = layer.infer(x.shape)[0], x.shape
        return self.out(self.map(shape), shape, [x], lambda _: [self.map(before)], *saved)


def _residual(run: _Run, layer: Residual, x: _Tensor, apart: bool) -> _Tensor:
    y = run.chain(layer.children, x)
    return run.out(run.map(x.shape), x.shape, [x, y], lambda gradient: [gradient, gradient])


def _sum(run: _Run, layer: Sum, x: _Tensor, apart: bool) -> _Tensor:
    (_, head), *others = layer.children
    total = run.layer(head, x, True)
    for _, child in others:
        y = run.layer(child, x, True)
        both = [total, y]
        del y
        total = run.out(run.map(total.shape), total.shape, both, lambda grad: [grad, grad])
        del both
    return total


def _concat(run: _Run, layer: Concat, x: _Tensor, apart: bool) -> _Tensor:
    return _joined(
        run, [run.layer(child, x, at == 0) for at, (_, child) in enumerate(layer.children)]
    )


def _joined(run: _Run, parts: list[_Tensor]) -> _Tensor:
    shape, count = (sum(part.shape[0] for part in parts), *parts[0].shape[1:]), len(parts)
    return run.out(run.map(shape), shape, parts, lambda gradient: [gradient] * count)


def _split(run: _Run, layer: Split, x: _Tensor, apart: bool) -> _Tensor:
    whole, count = x.shape, len(layer.children)
    part = (whole[0] // count, *whole[1:])
    parts = []
    for place, (_, child) in enumerate(layer.children):
        view = run.out(x.block, part, [x], lambda _: [run.map(whole)])
        parts.append(run.layer(child, view, place == 0))
    return _joined(run, parts)


def _gate(run: _Run, layer: Gate, x: _Tensor, apart: bool) -> _Tensor:
    shape = x.shape

    def backward(gradient: _Block) -> list[_Block]:
        of_map, of_factors = run.map(shape), run.map(shape)
        del of_factors  # summed over the map
        return [of_map, run.map(shape[:1])]

    factors = run.chain(layer.children, x)
    return run.out(run.map(shape), shape, [x, factors], backward, x.block, factors.block)


def _aux_head(run: _Run, layer: AuxHead, x: _Tensor, apart: bool) -> _Tensor:
    if run.training:
        run._heads.append(run.chain(layer.children, x))
    return x


def _weighted(run: _Run, layer: Layer, x: _Tensor, *saved: object) -> _Tensor:
    """Return what a layer with parameters puts out; the image itself needs no gradient."""
    (shape, cost), before, is_image = layer.infer(x.shape), x.shape, x.node is None

    def backward(gradient: _Block) -> list[_Block]:
        own = run.block(0) if is_image else run.map(before)
        run.gradient_of(cost.params)
        return [own]

    return run.out(run.map(shape), shape, [x], backward, x.block, *saved)


def _conv(run: _Run, conv: Conv, x: _Tensor, apart: bool) -> _Tensor:
    if not conv.standardised:
        return _weighted(run, conv, x)
    # The standardised kernels and, where their memory is not in that order, a copy in rows.
    weights = conv.infer(x.shape)[1].params * (1 if conv.kernel == (1, 1) else 2)
    return _weighted(run, conv, x, run.weights(weights))


def _is_product(conv: Conv) -> bool:
    """Whether it is computed as one matrix product (`network.modules.fast`)."""
    plain = conv.groups == 1 and not conv.standardised
    return plain and conv.kernel == conv.stride == (1, 1) and conv.padding == (0, 0)


def _norm(run: _Run, norm: Norm, x: _Tensor, apart: bool) -> _Tensor:
    statistics = run.map((2 * norm.groups,)) if norm.groups else run.weights(2 * norm.channels)
    return _weighted(run, norm, x, statistics)


def _act(run: _Run, act: Act, x: _Tensor, apart: bool) -> _Tensor:
    kind, shape = ACTIVATIONS[act.kind], x.shape

    def backward(gradient: _Block) -> list[_Block]:
        return [run.map(shape)]

    if kind.inplace and not apart:
        # What its backward pass reads, if not the result, is copied before it is overwritten.
        saved = x.block if kind.saves_result or not run.training else run.map(shape)
        return run.out(x.block, shape, [x], backward, saved)
    block = run.map(shape)
    return run.out(block, shape, [x], backward, block if kind.saves_result else x.block)


def _pool(run: _Run, pool: Pool, x: _Tensor, apart: bool) -> _Tensor:
    places = None
    if pool.kind == "max" and run.training:
        places = run.block(INDEX * run.batch * numel(pool.infer(x.shape)[0]))
    return run.fresh(pool, x, x.block, places)


def _global_pool(run: _Run, pool: GlobalPool, x: _Tensor, apart: bool) -> _Tensor:
    return run.fresh(pool, x, *(() if pool.size == (1, 1) else (x.block,)))  # a mean needs no map


def _zero_pad_shortcut(run: _Run, cut: ZeroPadShortcut, x: _Tensor, apart: bool) -> _Tensor:
    shape, before = cut.infer(x.shape)[0], x.shape

    def backward(gradient: _Block) -> list[_Block]:
        unpadded = run.map((before[0], *shape[1:]))
        whole = run.map(before)
        del unpadded
        return [whole]

    return run.out(run.map(shape), shape, [x], backward)


def _shift(run: _Run, shift: Shift, x: _Tensor, apart: bool) -> _Tensor:
    shape, before = shift.infer(x.shape)[0], x.shape

    def backward(gradient: _Block) -> list[_Block]:
        unstrided = run.map(before) if shift.stride > 1 else None
        moved = run.map(before)
        del unstrided
        return [moved]

    block = run.map(before)
    if shift.stride > 1 and run.training:
        block = run.map(shape)  # the 1x1 convolution behind it keeps a copy of the pixels it reads
    return run.out(block, shape, [x], backward)


def _flatten(run: _Run, flatten: Flatten, x: _Tensor, apart: bool) -> _Tensor:
    return run.out(x.block, (numel(x.shape),), [x], lambda gradient: [gradient])


def _drop(run: _Run, drop: Dropout | DropPath, x: _Tensor, apart: bool) -> _Tensor:
    if not (run.training and drop.p):
        return x
    mask = run.map(x.shape if isinstance(drop, Dropout) else (1,))
    return run.fresh(drop, x, mask)


def _plain(run: _Run, layer: Layer, x: _Tensor, apart: bool) -> _Tensor:
    return run.fresh(layer, x)


_FORWARD: Mapping[type[Layer], Callable[[_Run, Any, _Tensor, bool], _Tensor]] = {
    Seq: lambda run, seq, x, apart: run.chain(seq.children, x),
    Residual: _residual,
    Sum: _sum,
    Concat: _concat,
    Split: _split,
    Gate: _gate,
    AuxHead: _aux_head,
    Conv: _conv,
    Linear: lambda run, linear, x, apart: _weighted(run, linear, x),
    Norm: _norm,
    Act: _act,
    Pool: _pool,
    GlobalPool: _global_pool,
    Pad: _plain,
    ZeroPadShortcut: _zero_pad_shortcut,
    Shift: _shift,
    Scale: _plain,
    Flatten: _flatten,
    Dropout: _drop,
    DropPath: _drop,
}
