"""Bytes that an image's way through a network moves, layer by layer, and what follows from them.

Each layer reads its input and its weights and writes its output once, as eager inference in
float32 does at batch 1: nothing is fused, nothing stays in a cache from one layer to the next.
From the bytes and the MACs follows an energy, and the roofline's time (`cost.roofline`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fuseablate.cost.allocation import FLOAT
from fuseablate.io.checked import Schema
from fuseablate.layers import (
    AuxHead,
    Concat,
    CoordinateGate,
    Dropout,
    DropPath,
    Flatten,
    Gate,
    Layer,
    Norm,
    Residual,
    Seq,
    Shape,
    Split,
    Step,
    Sum,
    numel,
    walk,
)

# Nothing is moved: names, views, and what is done in training alone.
STILL = (Seq, Flatten, Dropout, DropPath, AuxHead)
Rate = Annotated[float, Field(gt=0)]


class EnergyTable(Schema):
    """What an operation takes, as a hardware file writes it, in picojoules."""

    kind: Literal["energy"]
    mac: Rate
    """A multiplication and an addition of float32."""
    dram_byte: Rate
    """A byte read from memory, or written to it."""
    title: str = ""
    source: str = ""


def traffic(layer: Layer, shape: Shape) -> int:
    """Return the bytes that a tree of layers moves for one image of `shape`."""
    return sum(moved_bytes(step) for step in walk(layer, shape))


def moved_bytes(step: Step, images: int = 1) -> int:
    """Return the bytes that a layer reads and writes for a batch, apart from what its children do.

    Its weights are read once for all images.
    """
    layer, before, after = step.layer, numel(step.before), numel(step.after)
    weights = 0
    match layer:
        case Residual():
            numbers = 3 * after
        case Sum():
            numbers = 3 * after * (len(layer.children) - 1)
        case Concat() | Split():
            numbers = 2 * after
        case Gate():
            numbers = 2 * after + step.after[0]
        case CoordinateGate():  # two means, of which each reads the map, and two products
            channels, high, wide = step.after
            numbers = 6 * after + 2 * channels * (high + wide)
        case _ if isinstance(layer, STILL):
            numbers = 0
        case _:
            numbers, weights = before + after, layer.infer(step.before)[1].params
    if isinstance(layer, Norm) and not layer.groups:
        weights += 2 * layer.channels  # the running statistics
    return FLOAT * (images * numbers + weights)


def intensity(layer: Layer, shape: Shape) -> float:
    """Return the MACs of a tree of layers for each byte that it moves; 0 where it moves none."""
    moves = traffic(layer, shape)
    return layer.infer(shape)[1].macs / moves if moves else 0.0


def energy(layer: Layer, shape: Shape, table: EnergyTable) -> float:
    """Return the picojoules of one image: its MACs, and all bytes from and to memory."""
    macs = layer.infer(shape)[1].macs
    return macs * table.mac + traffic(layer, shape) * table.dram_byte
