"""The roofline: how fast a machine could run a network, and how near it comes. Without torch.

Each layer takes as long as its MACs at the processor's rate, or as long as its bytes at that of the
memory, whichever is longer (Williams et al., CACM 2009). Bytes are those of `cost.traffic`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fuseablate.cost.traffic import Rate, moved_bytes
from fuseablate.io.checked import Schema
from fuseablate.layers import Layer, Shape, Step, walk
from fuseablate.spec import InferredRow


class Processor(Schema):
    """A processor, as a hardware file writes it."""

    kind: Literal["processor"]
    gmacs: Rate
    """Multiply-accumulates of float32, in thousand millions a second."""
    gigabytes: Rate
    """Bytes of memory read or written, in thousand millions a second."""
    title: str = ""
    source: str = ""


def roofline(layer: Layer, shape: Shape, processor: Processor, images: int = 1) -> float:
    """Return the nanoseconds that a batch takes at least, its layers one after another."""
    return sum(_limit(step, processor, images) for step in walk(layer, shape))


def _limit(step: Step, processor: Processor, images: int) -> float:
    joins = hasattr(step.layer, "children")  # its children's MACs are their own
    macs = 0 if joins else images * step.layer.infer(step.before)[1].macs
    return max(macs / processor.gmacs, moved_bytes(step, images) / processor.gigabytes)


@dataclass(frozen=True)
class TimedRow:
    """A row of a network with what it takes on a machine, of which the rates are known."""

    row: InferredRow
    images: int
    forward: float
    """Seconds of a batch, as in training; likewise the next."""
    backward: float

    @property
    def seconds(self) -> float:
        return self.forward + self.backward

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the forward pass."""
        return self.images * self.row.cost.macs

    @property
    def bytes(self) -> int:
        """Bytes that the forward pass moves at least, nothing fused."""
        steps = walk(self.row.layer, self.row.in_shape)
        return sum(moved_bytes(step, self.images) for step in steps)

    def share(self, processor: Processor) -> float:
        """Return how near the forward pass comes to the roofline: 1 is the limit."""
        least = roofline(self.row.layer, self.row.in_shape, processor, self.images) / 1e9
        return least / self.forward if self.forward else 0.0


@dataclass(frozen=True)
class Profile:
    """A network's rows timed on a machine."""

    rows: Sequence[TimedRow]
    machine: Processor
    """Its rates as they were measured beside."""
