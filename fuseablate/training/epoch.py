"""The steps of one epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from fuseablate.recipes import Recipe
from fuseablate.runs import FailedPart, Failure
from fuseablate.training.optim import counted_at_the_end
from fuseablate.training.progress import Progress
from fuseablate.training.schedule import learning_rate
from fuseablate.training.steps import Steps

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


def train_epoch(steps: Steps, progresses: Sequence[Progress]) -> list[Trained | DivergedError]:
    """Train each run of a stack for one more epoch; return what came of each.

    A run whose loss is not finite has a DivergedError, and the others go on.
    """
    states, count, looked = steps.stack.states, len(steps), 0
    every = LOOK_EVERY.get(states[0].device.type, LOOK_EVERY_ELSE)
    diverged: dict[int, DivergedError] = {}
    steps.begin()
    with counted_at_the_end([state.network for state in states], count):
        for step in range(1, count + 1):
            steps.take()
            if step % every == 0 or step == count:
                seen = steps.losses[looked:step].T.tolist()
                for run, (state, values) in enumerate(zip(states, seen, strict=True)):
                    if run in diverged:
                        continue
                    bad = [at for at, value in enumerate(values) if not math.isfinite(value)]
                    if bad:
                        at = len(state.curves) * count + looked + bad[0]
                        loss = values[bad[0]]
                        diverged[run] = DivergedError(state.recipe, at, count, loss, "training")
                    else:
                        images = len(values) * state.recipe.batch_size
                        progresses[run].step(images, values[-1])
                looked = step
                if len(diverged) == len(states):
                    break
    for state in states:
        if state.average:
            state.average.take_counts()
    images = count * states[0].recipe.batch_size
    shares = zip(steps.losses.T, steps.hits.tolist(), strict=True)
    trained = [Trained(losses.mean().item(), hits / images) for losses, hits in shares]
    return [diverged.get(run, epoch) for run, epoch in enumerate(trained)]
