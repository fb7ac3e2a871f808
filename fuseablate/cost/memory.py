"""Peak memory of inference and of a training step, by liveness over the tree of layers.

What each layer makes and holds is in `cost.liveness`.
"""

from __future__ import annotations

import bisect
from typing import NamedTuple

from fuseablate.cost.allocation import FLOAT, Pass, Tensor
from fuseablate.cost.liveness import through
from fuseablate.layers import Layer, Shape, numel
from fuseablate.spec import IMAGE_CHANNELS, Size, Spec

# Numbers that an optimizer keeps for each parameter; Adafactor's are few, and not counted.
OPTIMIZER_STATE = {
    "sgd": 1, "adam": 2, "adamw": 2, "adamax": 2, "rmsprop": 1, "nadam": 2, "radam": 2,
    "adagrad": 1, "adadelta": 2, "adafactor": 0, "asgd": 1, "rprop": 2,
}  # fmt: skip
OF_OTHERS = 2  # a plug-in's, most of which keep fewer


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
    return inference_peak(spec.layers(size), (IMAGE_CHANNELS, *(size or spec.input)), batch)


def training_memory(
    spec: Spec, size: Size | None = None, batch: int = 1, optimizer: str = "sgd"
) -> PeakMemory:
    """Return the peak memory of a training step on a batch of images of `size` (H, W)."""
    image = (IMAGE_CHANNELS, *(size or spec.input))
    return training_peak(spec.layers(size), image, batch, optimizer)


def largest_batch(spec: Spec, most: int, size: Size | None = None) -> int:
    """Return of how many images a training step takes at most so many bytes; 0 where of none."""

    def fits(batch: int) -> bool:
        return training_memory(spec, size, batch).total <= most

    high = 1
    while fits(high):
        high *= 2
    return bisect.bisect_left(range(1, high + 1), True, key=lambda batch: not fits(batch))


def inference_peak(layers: Layer, image: Shape, batch: int) -> PeakMemory:
    """Return the peak memory of a batch's way through a tree of layers."""
    run = Pass(batch, training=False)
    through(run, layers, Tensor(run.block(0), image))
    return PeakMemory(layers.infer(image)[1].bytes, 0, FLOAT * batch * numel(image), run.peak)


def training_peak(layers: Layer, image: Shape, batch: int, optimizer: str = "sgd") -> PeakMemory:
    """Return the peak memory of a training step of a tree of layers, its output the logits."""
    cost = layers.infer(image)[1]
    run = Pass(batch, training=True)
    run.step(lambda x: through(run, layers, x), image)
    state = FLOAT * OPTIMIZER_STATE.get(optimizer, OF_OTHERS) * cost.params
    return PeakMemory(cost.bytes, state, FLOAT * batch * numel(image), run.peak)
