"""The steps of one epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from fuseablate.data.batches import TrainBatches
from fuseablate.recipes import Recipe
from fuseablate.runs import FailedPart, Failure
from fuseablate.training.mixup import Mixing, Targets, draw_mixing, mixed
from fuseablate.training.optim import counted_at_the_end
from fuseablate.training.progress import Progress
from fuseablate.training.schedule import learning_rate
from fuseablate.training.stack import Stack

# How many steps run between two looks at the loss. A look costs an accelerator a wait for all
# that it has been given; the losses are kept, so that the step of a NaN is known exactly.
LOOK_EVERY = {"cpu": 1}
LOOK_EVERY_ELSE = 50


class DivergedError(Exception):
    """A loss was not finite; `failure` says where. Steps are given from 0, told from 1."""

    def __init__(
        self, recipe: Recipe, step: int, epoch_steps: int, loss: float, part: FailedPart
    ) -> None:
        super().__init__(f"the {part} loss is {loss} at step {step + 1}")
        rate = learning_rate(recipe, step, epoch_steps)
        self.failure = Failure(step + 1, step // epoch_steps + 1, rate, str(loss), part)


class Trained(NamedTuple):
    """An epoch of one run."""

    loss: float
    """The mean of its batches'."""
    top1: float
    """Of its batches; with MixUp an image's class is that of its greater share."""


def train_epoch(
    stack: Stack, batches: TrainBatches, progresses: Sequence[Progress]
) -> list[Trained | DivergedError]:
    """Train each run of a stack for one more epoch; return what came of each.

    A run whose loss is not finite has a DivergedError, and the others go on.
    """
    states, steps, looked = stack.states, len(batches), 0
    recipes = [state.recipe for state in states]
    device, batch_size = states[0].device, recipes[0].batch_size
    firsts = [len(state.curves) * steps for state in states]
    every = LOOK_EVERY.get(device.type, LOOK_EVERY_ELSE)
    losses = torch.zeros(steps, len(states), device=device)
    hits = torch.zeros(len(states), dtype=torch.int64, device=device)
    diverged: dict[int, DivergedError] = {}
    bf16 = recipes[0].precision == "bf16"
    mixings = [
        draw_mixing(recipe.mixup, steps, batch_size, state.streams["mixup"], device)
        if recipe.mixup
        else None
        for state, recipe in zip(states, recipes, strict=True)
    ]
    stack.network.train()
    with counted_at_the_end([state.network for state in states], steps):
        for index, (images, labels) in enumerate(batches):
            own_labels = labels.chunk(len(states))
            inputs, targets = _mixed(images.chunk(len(states)), own_labels, mixings, index)
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                ends = stack.logits(inputs)
                own = [
                    _loss(heads, target, recipe.label_smoothing)
                    for heads, target, recipe in zip(ends, targets, recipes, strict=True)
                ]
            stack.backward(own)
            stack.step(
                [
                    learning_rate(recipe, first + index, steps)
                    for recipe, first in zip(recipes, firsts, strict=True)
                ],
                [first + index + 1 for first in firsts],
            )
            losses[index] = torch.stack([loss.detach() for loss in own])
            for run, (heads, right) in enumerate(zip(ends, own_labels, strict=True)):
                hits[run] += (heads[0][1].detach().argmax(dim=1) == right).sum()
            if (index + 1) % every == 0 or index + 1 == steps:
                seen = losses[looked : index + 1].T.tolist()
                for run, (values, progress) in enumerate(zip(seen, progresses, strict=True)):
                    first = firsts[run] + looked
                    for step, value in enumerate(values, start=first):
                        if run not in diverged and not math.isfinite(value):
                            diverged[run] = DivergedError(
                                recipes[run], step, steps, value, "training"
                            )
                    if run not in diverged:
                        progress.step(len(values) * batch_size, values[-1])
                looked = index + 1
                if len(diverged) == len(states):
                    break
    for state in states:
        if state.average:
            state.average.take_counts()
    shares = zip(losses.T, hits.tolist(), strict=True)
    trained = [Trained(own.mean().item(), hit / (steps * batch_size)) for own, hit in shares]
    return [diverged.get(run, epoch) for run, epoch in enumerate(trained)]


def _mixed(
    images: Sequence[Tensor],
    labels: Sequence[Tensor],
    mixings: Sequence[Mixing | None],
    step: int,
) -> tuple[list[Tensor], list[Targets]]:
    """Return each run's images and targets, mixed where its recipe mixes."""
    inputs, targets = [], []
    for own_images, own_labels, mixing in zip(images, labels, mixings, strict=True):
        if mixing is None:
            inputs.append(own_images)
            targets.append(Targets(own_labels))
        else:
            mixtures, target = mixed(own_images, own_labels, mixing, step)
            inputs.append(mixtures)
            targets.append(target)
    return inputs, targets


def _loss(heads: Sequence[tuple[float, Tensor]], targets: Targets, smoothing: float) -> Tensor:
    """Return the loss of a run's head, and those of its auxiliary heads by their weights."""
    (_, logits), *others = heads
    loss = targets.loss(logits, smoothing)
    for weight, side in others:
        loss = loss + weight * targets.loss(side, smoothing)
    return loss
