"""The epochs of runs that are trained as one network, to the end of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple, TypeAlias

import torch

from fuseablate.data.augmentations import Augmentations
from fuseablate.data.batches import TrainBatches
from fuseablate.data.parts import Data
from fuseablate.errors import InputError
from fuseablate.runs import Record, Score
from fuseablate.spec import Spec
from fuseablate.training.checkpoint import Writer
from fuseablate.training.environment import precision_set
from fuseablate.training.epoch import DivergedError, train_epoch
from fuseablate.training.evaluate import Evaluation
from fuseablate.training.optim import is_capturable
from fuseablate.training.progress import StoppedError
from fuseablate.training.run import Run
from fuseablate.training.stack import Stack
from fuseablate.training.steps import Steps

Ending: TypeAlias = Record | Exception


class Ended(NamedTuple):
    """What became of one of several runs."""

    number: int
    """Its place among them."""
    outcome: Ending
    """Its record; where it ended without one, its own exception."""


def carried_out(
    runs: dict[int, Run], spec: Spec, data: Data, device: torch.device
) -> Iterator[Ended]:
    """Train runs to their ends; what ends one of them before leaves the others to go on."""
    batch_size = next(iter(runs.values())).recipe.batch_size
    images = len(data.train) // batch_size * batch_size
    # On the device once, and not anew for each validation.
    data = replace(data, val=data.val.to(device))
    writer = Writer(device)
    going: dict[int, Run] = {}
    together: _Together | None = None
    try:
        for number, run in runs.items():
            try:
                run.begin(images, writer, beside=len(runs) - 1)
                going[number] = run
            except InputError as error:
                yield Ended(number, error)
        while True:
            for number in [number for number, run in going.items() if run.has_ended]:
                outcome = _outcome(going[number].finish)
                del going[number]
                yield Ended(number, outcome)
            if not going:
                return
            if together is None or together.numbers != tuple(going):
                together = _Together(going, spec, data, device, before=together)
            for ended in together.epoch():
                del going[ended.number]
                yield ended
    except KeyboardInterrupt:
        writer.close()
        for run in going.values():
            run.progress.say(
                f"interrupted after epoch {run.saved_epochs} of {run.recipe.epochs}; "
                "to go on from there, run the same command again"
            )
        raise
    finally:
        writer.close()
        if together:
            together.close()
        for run in runs.values():
            run.progress.end()


def _outcome(end: Callable[[], Record]) -> Ending:
    """Return the record that a run's end has filed, or why it could not."""
    try:
        return end()
    except (StoppedError, InputError) as error:
        return error


class _Together:
    """Runs that are at the beginning of an epoch, and go through it as one network."""

    def __init__(
        self,
        runs: dict[int, Run],
        spec: Spec,
        data: Data,
        device: torch.device,
        *,
        before: _Together | None,
    ) -> None:
        """Take the runs over from those that went together `before`."""
        if before:
            before.close()
        self.numbers = tuple(runs)
        self._runs = tuple(runs.values())
        states = [run.state for run in self._runs]
        self._stack = Stack(spec.layers(data.image_size), states)
        batches = TrainBatches(
            data.train,
            data,
            self._runs[0].recipe.batch_size,
            device,
            order=[state.streams["order"] for state in states],
            augment=[state.streams["augment"] for state in states],
            augmentations=[Augmentations.of(run.recipe, data.image_size) for run in self._runs],
        )
        # What the CPU does in each step is in no graph.
        by_cpu = batches.is_augmented or batches.is_streamed
        static = not by_cpu and all(is_capturable(run.recipe) for run in self._runs)
        self._steps = Steps(self._stack, batches, static=None if static else False)
        self._validated = bool(len(data.val))
        self._evaluation = Evaluation(
            self._stack.eval_network, data.val, data, device, runs=len(runs)
        )

    def close(self) -> None:
        self._steps.close()

    def epoch(self) -> list[Ended]:
        """Train and validate all for an epoch; return what became of those that it ended."""
        started = time.perf_counter()
        with precision_set(self._runs[0].recipe.precision):
            outcomes = train_epoch(self._steps, self._runs)
        trained = time.perf_counter()
        vals: Sequence[Score | None] = [None] * len(self._runs)
        is_over = all(isinstance(outcome, Exception) for outcome in outcomes)
        if self._validated and not is_over:
            vals = self._evaluation.scores()
        # A run's share: the time of all runs of a stack is what the stack took.
        share = 1 / len(self._runs)
        times = {
            "training": (trained - started) * share,
            "seconds": (time.perf_counter() - started) * share,
        }
        how = "captured" if self._steps.captured.is_captured else "eager"
        ended = []
        for number, run, outcome, val in zip(self.numbers, self._runs, outcomes, vals, strict=True):
            run.state.steps = f"{run.way}, {how}"
            try:
                if isinstance(outcome, Exception):
                    raise outcome
                run.add_epoch(outcome, val, steps=len(self._steps), **times)
            except DivergedError as error:
                ended.append(Ended(number, _outcome(partial(run.fail, error.failure))))
            except (StoppedError, InputError) as error:
                ended.append(Ended(number, error))
        return ended
