"""The steps of one epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from fuseablate.errors import InputError
from fuseablate.recipes import Recipe
from fuseablate.runs import FailedPart, Failure
from fuseablate.training.optim import counted_at_the_end
from fuseablate.training.progress import StoppedError
from fuseablate.training.schedule import learning_rate
from fuseablate.training.state import TrainingState
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


class Watcher(Protocol):
    """What is told of a run's steps, and may end it between two of them."""

    def step(self, images: int, loss: float) -> None:
        """Take note of `images` more images trained on, and of the loss of the last step.

        A `StoppedError` or an `InputError` ends the run.
        """


class Trained(NamedTuple):
    """An epoch of one run."""

    loss: float
    """The mean of its batches'."""
    top1: float
    """Of its batches; with MixUp an image's class is that of its greater share."""


def train_epoch(steps: Steps, watchers: Sequence[Watcher]) -> list[Trained | Exception]:
    """Train each run of a stack for one more epoch; return what came of each.

    A run whose loss is not finite has a DivergedError, one that its watcher ended the error that
    did; the others go on.
    """
    states, count, looked = steps.stack.states, len(steps), 0
    every = LOOK_EVERY.get(states[0].device.type, LOOK_EVERY_ELSE)
    ended: dict[int, Exception] = {}
    steps.begin()
    with counted_at_the_end([state.network for state in states], count):
        for step in range(1, count + 1):
            steps.take()
            if step % every == 0 or step == count:
                seen = steps.losses[looked:step].T.tolist()
                for run, (state, values) in enumerate(zip(states, seen, strict=True)):
                    if run in ended:
                        continue
                    try:
                        _look(values, state, looked, count)
                        watchers[run].step(len(values) * state.recipe.batch_size, values[-1])
                    except (DivergedError, StoppedError, InputError) as error:
                        ended[run] = error
                looked = step
                if len(ended) == len(states):
                    break
    for state in states:
        if state.average:
            state.average.take_counts()
    images = count * states[0].recipe.batch_size
    shares = zip(steps.losses.T, steps.hits.tolist(), strict=True)
    trained = [Trained(losses.mean().item(), hits / images) for losses, hits in shares]
    return [ended.get(run, epoch) for run, epoch in enumerate(trained)]


def _look(losses: Sequence[float], state: TrainingState, before: int, steps: int) -> None:
    """Raise a DivergedError where one of the losses after so many of an epoch's is not finite."""
    for number, loss in enumerate(losses, len(state.curves) * steps + before):
        if not math.isfinite(loss):
            raise DivergedError(state.recipe, number, steps, loss, "training")
