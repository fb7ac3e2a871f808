"""Blocks of memory in place of tensors, and the pass over a network that makes them.

A block counts from its making until nothing refers to it any more, and Python's own counting of
references says when that is: what holds a block here holds it for as long as torch does. A forward
pass for training leaves, for each layer, a node with the blocks that its backward pass reads; the
backward pass goes through the nodes from the last to the first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from fuseablate.layers import Layer, Shape, numel

FLOAT = 4  # bytes


class Block:
    """Memory that is given back when nothing refers to it any more."""

    __slots__ = ("_run", "_size")

    def __init__(self, run: Pass, size: int) -> None:
        self._run, self._size = run, size
        run.now += size
        run.peak = max(run.peak, run.now)

    def __del__(self) -> None:
        self._run.now -= self._size


Backward = Callable[[Block], "list[Block]"]


@dataclass(slots=True, eq=False)
class Node:
    """A layer's part of the backward pass: from the gradient behind it to those before it."""

    inputs: list[Node | None]
    backward: Backward | None
    saved: tuple[object, ...]


class Tensor(NamedTuple):
    """What passes between layers: where its numbers lie, and the node that it came from."""

    block: Block
    shape: Shape
    node: Node | None = None
    """None of the image, and without a backward pass."""


class Pass:
    """One pass over a tree of layers, or a training step."""

    def __init__(self, batch: int, training: bool) -> None:
        self.batch, self.training = batch, training
        self.now = self.peak = 0
        self._nodes: list[Node] = []
        self._heads: list[Tensor] = []
        self._gradients: list[Block] = []

    def step(self, forward: Callable[[Tensor], Tensor], image: Shape) -> None:
        """Pass forward, take the loss of each head, pass backward."""
        ends = [forward(Tensor(self.block(0), image)), *self._heads]
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

    def block(self, size: int) -> Block:
        return Block(self, size)

    def map(self, shape: Shape) -> Block:
        """Return a block of one number for each of a batch's."""
        return Block(self, FLOAT * self.batch * numel(shape))

    def weights(self, count: int) -> Block:
        return Block(self, FLOAT * count)

    def add_head(self, end: Tensor) -> None:
        """Keep the end of an auxiliary head, whose loss the step takes as well."""
        self._heads.append(end)

    def gradient_of(self, count: int) -> None:
        """Make the gradient of so many parameters, which stays until the step is taken."""
        self._gradients.append(self.weights(count))

    def out(
        self, block: Block, shape: Shape, inputs: list[Tensor], backward: Backward, *saved: object
    ) -> Tensor:
        """Return the tensor that a layer puts out, with its node where there is a backward pass."""
        if not self.training:
            return Tensor(block, shape)
        self._nodes.append(Node([source.node for source in inputs], backward, saved))
        return Tensor(block, shape, self._nodes[-1])

    def fresh(self, layer: Layer, x: Tensor, *saved: object) -> Tensor:
        """Return a new map; its backward pass makes one of the input's shape."""
        shape, before = layer.infer(x.shape)[0], x.shape
        return self.out(self.map(shape), shape, [x], lambda _: [self.map(before)], *saved)
