"""Bytes that an image's way through a network moves, layer by layer, and what follows from them.

Each layer reads its input and its weights and writes its output once, as eager inference in
float32 does at batch 1: nothing is fused, nothing stays in a cache from one layer to the next.
From the bytes and the MACs follow the roofline's time (Williams et al., CACM 2009) and an energy.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

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

FLOAT = 4  # bytes
# Nothing is moved: names, views, and what is done in training alone.
STILL = (Seq, Flatten, Dropout, DropPath, AuxHead)
Rate = Annotated[float, Field(gt=0)]


class Processor(Schema):
    """A processor, as a hardware file writes it."""

    kind: Literal["processor"]
    gmacs: Rate
    """Multiply-accumulates of float32, in thousand millions a second."""
    gigabytes: Rate
    """Bytes of memory read or written, in thousand millions a second."""
    title: str = ""
    source: str = ""


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
    return sum(moved(step) for step in walk(layer, shape))


def moved(step: Step) -> int:
    """Return the bytes that a layer reads and writes, apart from what its children do."""
    layer, before, after = step.layer, numel(step.before), numel(step.after)
    match layer:
        case Residual():
            numbers = 3 * after
        case Sum():
            numbers = 3 * after * (len(layer.children) - 1)
        case Concat() | Split():
            numbers = 2 * after
        case Gate():
            numbers = 2 * after + step.after[0]
        case CoordinateGate():  # two means of the map, and two products with factors of strips
            channels, high, wide = step.before
            numbers = 6 * after + 2 * channels * (high + wide)
        case _ if isinstance(layer, STILL):
            numbers = 0
        case _:
            numbers = before + after + layer.infer(step.before)[1].params
    if isinstance(layer, Norm) and not layer.groups:
        numbers += 2 * layer.channels  # the running statistics
    return FLOAT * numbers


def intensity(layer: Layer, shape: Shape) -> float:
    """Return the MACs of a tree of layers for each byte that it moves; 0 where it moves none."""
    moves = traffic(layer, shape)
    return layer.infer(shape)[1].macs / moves if moves else 0.0


def roofline(layer: Layer, shape: Shape, processor: Processor) -> float:
    """Return the nanoseconds that an image takes at least, each layer at the nearer of two limits.

    A layer takes as long as its MACs at the processor's rate, or as long as its bytes at that of
    the memory, whichever is longer.
    """
    return sum(limit(step, processor) for step in walk(layer, shape))


def limit(step: Step, processor: Processor) -> float:
    """Return the nanoseconds of one layer, apart from its children."""
    children = hasattr(step.layer, "children")
    macs = 0 if children else step.layer.infer(step.before)[1].macs
    return max(macs / processor.gmacs, moved(step) / processor.gigabytes)


def energy(layer: Layer, shape: Shape, table: EnergyTable) -> float:
    """Return the picojoules of one image: its MACs, and all bytes from and to memory."""
    macs = layer.infer(shape)[1].macs
    return macs * table.mac + traffic(layer, shape) * table.dram_byte
