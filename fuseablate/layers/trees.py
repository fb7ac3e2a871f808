"""A tree of layers: what an image passes in it, its canonical text, and what it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any, NamedTuple, cast

from fuseablate.layers.activations import ACTIVATIONS
from fuseablate.layers.combinators import AuxHead, Children, Concat, CoordinateGate, Split, Sum
from fuseablate.layers.primitives import Act
from fuseablate.layers.shapes import Layer, Shape
from fuseablate.plugins import content_of

SIDE_BY_SIDE = (Concat, Split, Sum)  # whose children all work on the input, and not in turn


class Step(NamedTuple):
    """A layer of a tree, with the shapes of what it gets and of what it puts out."""

    layer: Layer
    before: Shape
    after: Shape


def placed(layer: Layer, shape: Shape) -> Iterator[Step]:
    """Yield the children of a layer that gets `shape`, with the shapes of each."""
    children: Children = getattr(layer, "children", ())
    if isinstance(layer, Split):
        shape = (shape[0] // len(children), *shape[1:])
    if isinstance(layer, CoordinateGate):
        for (_, child), part in zip(children, layer.parts(shape), strict=True):
            yield Step(child, part, child.infer(part)[0])
        return
    for _, child in children:
        after, _ = child.infer(shape)
        yield Step(child, shape, after)
        if not isinstance(layer, SIDE_BY_SIDE):
            shape = after


def walk(layer: Layer, shape: Shape, *, trained: bool = False) -> Iterator[Step]:
    """Yield all layers of a tree that an image of `shape` passes when it is classified.

    A combinator comes after its children, when it joins what they made. What stands in an
    auxiliary head is passed in training alone: only with `trained` is it among them.
    """
    yield from _walk(Step(layer, shape, layer.infer(shape)[0]), trained)


def _walk(step: Step, trained: bool) -> Iterator[Step]:
    if trained or not isinstance(step.layer, AuxHead):
        for child in placed(step.layer, step.before):
            yield from _walk(child, trained)
    yield step


def canonical(layer: Layer) -> str:
    """Return a tree as canonical text, for digests; fields at their defaults are left out.

    So a field that a later version adds changes no digest of a network that does not use it. A
    layer goes by its `tag`, which stays when its class is renamed; one of a plug-in also by the
    digest of the file that defines it.
    """
    parts = []
    # What a plug-in defines beneath the tree, a primitive or an activation, is in its file.
    beneath = ACTIVATIONS[layer.kind] if isinstance(layer, Act) else type(layer)
    if code := content_of(beneath):
        parts.append(f"plugin:{code}")
    for field in fields(cast("Any", layer)):
        value = getattr(layer, field.name)
        if field.name == "children":
            parts += [f"{name}={canonical(child)}" for name, child in value]
        elif value != field.default:
            parts.append(f"{field.name}:{value}")
    return f"{layer.tag}({','.join(parts)})"


def definitions(layer: Layer) -> Iterator[Any]:
    """Yield what defines each layer of a tree: its class, or its activation in the table."""
    yield ACTIVATIONS[layer.kind] if isinstance(layer, Act) else type(layer)
    for _, child in getattr(layer, "children", ()):
        yield from definitions(child)


def contains(layer: Layer, *kinds: type[Layer]) -> bool:
    """Return whether a tree has a layer of these kinds anywhere."""
    if isinstance(layer, kinds):
        return True
    children: Children = getattr(layer, "children", ())
    for _, child in children:  # noqa: SIM110 - many times as fast as a generator, and asked often
        if contains(child, *kinds):
            return True
    return False
