"""The steps of one epoch."""

from __future__ import annotations

import math

import torch
from torch import nn

from fuseablate.data.batches import TrainBatches
from fuseablate.network.modules import AuxHead
from fuseablate.recipes import Recipe
from fuseablate.runs import FailedPart, Failure
from fuseablate.training.mixup import Targets, mixed
from fuseablate.training.progress import Progress
from fuseablate.training.schedule import learning_rate
from fuseablate.training.state import TrainingState

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


def train_epoch(
    state: TrainingState, recipe: Recipe, batches: TrainBatches, progress: Progress
) -> tuple[float, float]:
    """Train for one more epoch; return the mean loss and the top-1 of its batches.

    With MixUp an image's class is that of its greater share.
    A loss that is not finite is a DivergedError.
    """
    network, optimizer, device = state.network, state.optimizer, state.device
    parameters = list(network.parameters())
    steps, looked = len(batches), 0
    first = len(state.curves) * steps
    every = LOOK_EVERY.get(device.type, LOOK_EVERY_ELSE)
    losses = torch.zeros(steps, device=device)
    hits = torch.zeros((), dtype=torch.int64, device=device)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bf16")
    taps = [module for module in network.modules() if isinstance(module, AuxHead)]
    network.train()
    for index, (images, labels) in enumerate(batches):
        rate = learning_rate(recipe, first + index, steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        inputs, targets = images, Targets(labels)
        if recipe.mixup:
            inputs, targets = mixed(images, labels, recipe.mixup, state.streams["mixup"])
        with autocast:
            logits = network(inputs)
            loss = targets.loss(logits, recipe.label_smoothing)
            for tap in taps:
                assert tap.logits is not None
                loss = loss + tap.weight * targets.loss(tap.logits, recipe.label_smoothing)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if recipe.clip_norm is not None:
            nn.utils.clip_grad_norm_(parameters, recipe.clip_norm)
        optimizer.step()
        if state.average:
            state.average.update(first + index + 1)
        losses[index] = loss.detach()
        hits += (logits.detach().argmax(dim=1) == labels).sum()
        if (index + 1) % every == 0 or index + 1 == steps:
            seen = losses[looked : index + 1].tolist()
            for step, value in enumerate(seen, start=first + looked):
                if not math.isfinite(value):
                    raise DivergedError(recipe, step, steps, value, "training")
            progress.step(len(seen) * recipe.batch_size, seen[-1])
            looked = index + 1
    return losses.mean().item(), hits.item() / (steps * recipe.batch_size)
