"""The training of runs, from their seeds to their records: one alone, or several as one network."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple, TypeAlias

import torch

from fuseablate.data.augmentations import Augmentations
from fuseablate.data.batches import TrainBatches
from fuseablate.data.parts import Data
from fuseablate.errors import InputError
from fuseablate.network.stacking import can_stack
from fuseablate.recipes import OPTIMIZER_CLASSES, Recipe, takes_weight_decay
from fuseablate.runs import Record, Score, Store, run_digest, teacher_cost, teacher_of
from fuseablate.spec import Spec
from fuseablate.training.checkpoint import Writer
from fuseablate.training.distillation import frozen_network
from fuseablate.training.environment import (
    check_precision,
    choose_device,
    precision_set,
    threads_set,
)
from fuseablate.training.epoch import DivergedError, train_epoch
from fuseablate.training.evaluate import Evaluation
from fuseablate.training.optim import is_capturable
from fuseablate.training.penalty import subspaces
from fuseablate.training.progress import Progress, SilentProgress, StoppedError
from fuseablate.training.run import UNFINISHED, Run
from fuseablate.training.stack import Stack
from fuseablate.training.steps import Steps
from fuseablate.training.untested import add_test_score

Outcome: TypeAlias = Record | Exception


class Ended(NamedTuple):
    """What became of one of several runs."""

    number: int
    """Its place among them."""
    outcome: Outcome
    """Its record; where it ended without one, its own exception."""


@dataclass(frozen=True)
class Order:
    """One of the runs that are to be trained as one network."""

    recipe: Recipe
    seed: int
    progress: Progress
    tested: bool = True


def train(
    spec: Spec,
    recipe: Recipe,
    data: Data,
    seed: int,
    *,
    store: Store,
    device: str = "auto",
    threads: int = 1,
    tested: bool = True,
    progress: Progress | None = None,
) -> Record:
    """Train a network on `data` by a recipe, and return the record.

    A run that the store holds is not trained again; one that was interrupted goes on after its
    last whole epoch, with the threads of its checkpoint. The test set is read once, at the end: not
    at all where the run is not to be `tested`, and later, from its weights, where it ended so
    before. `threads` are torch's on the CPU, which the result there depends on; `progress` is by
    default not shown. Bad input, a missing device among it, is an InputError,
    before anything is written; a loss that is not finite is not an error but a record that says
    `failed`.
    """
    order = Order(recipe, seed, progress or SilentProgress(), tested)
    (ended,) = train_stack(spec, data, [order], store=store, device=device, threads=threads)
    outcome = ended.outcome
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def train_stack(
    spec: Spec,
    data: Data,
    orders: Sequence[Order],
    *,
    store: Store,
    device: str = "auto",
    threads: int = 1,
) -> Iterator[Ended]:
    """Train runs of one network on the same data as one, and yield what became of each, in turn.

    Each is what `train` makes of it, to rounding: its own record, checkpoints, order, augmentation,
    dropout, optimizer and average; one that ends leaves the others to go on. Their recipes have one
    batch size and precision, and an average all or none. A run that ends without a record has the
    `StoppedError` of its progress, or the `InputError` of bad input or of a folder that cannot be
    used.
    """
    shared = {(order.recipe.batch_size, order.recipe.precision, order.recipe.ema is None)
              for order in orders}  # fmt: skip
    if len(shared) > 1:
        raise ValueError("runs of one stack differ in batch size, precision or having an average")
    chosen = choose_device(device)
    with threads_set(threads), precision_set("float32"), ExitStack() as folders:
        held = [folders.enter_context(ExitStack()) for _ in orders]
        for ended in _ends(spec, data, orders, held, store=store, device=chosen):
            held[ended.number].close()  # who hears of the end finds the run's folder free
            yield ended


def _ends(
    spec: Spec,
    data: Data,
    orders: Sequence[Order],
    held: Sequence[ExitStack],
    *,
    store: Store,
    device: torch.device,
) -> Iterator[Ended]:
    """Train runs as one network where they can be; `held` takes the folder of each."""
    runs: dict[int, Run] = {}
    for number, order in enumerate(orders):
        try:
            taken = _taken(spec, data, order, store, held=held[number], device=device)
        except InputError as error:
            yield Ended(number, error)
            continue
        if isinstance(taken, Run):
            runs[number] = taken
        else:
            yield Ended(number, taken)
    if runs:
        alone = not can_stack(spec.layers(data.image_size))
        groups = [{number: run} for number, run in runs.items()] if alone else [runs]
        threads = torch.get_num_threads()
        for group in groups:
            # A run that goes on takes the threads of its checkpoint: they are not the next one's.
            with threads_set(threads):
                yield from _carried_out(group, spec, data, device)


def _taken(
    spec: Spec,
    data: Data,
    order: Order,
    store: Store,
    *,
    held: ExitStack,
    device: torch.device,
) -> Record | Run:
    """Return the record of a run that has one; else the run; `held` then has its folder."""
    _check(spec, order, data)
    check_precision(order.recipe, device)
    digest = run_digest(spec, order.recipe, data, order.seed)
    left = [store.folder(digest) / name for name in UNFINISHED]
    record = store.get(digest)
    if record and record.serves(order.tested) and not any(path.exists() for path in left):
        return record
    taught_by = teacher_of(store, order.recipe, data)
    frozen = frozen_network(store, taught_by, device) if taught_by else None
    folder = held.enter_context(store.open(digest))
    # Another process may have ended the run between the look and the lock, or have been
    # killed when the record was there and its checkpoints were not yet gone.
    if (record := store.get(digest)) is not None:
        folder.remove(*UNFINISHED)
        if record.serves(order.tested):
            return record
        return add_test_score(record, spec, data, folder, device)
    return Run(
        spec,
        order.recipe,
        data,
        order.seed,
        tested=order.tested,
        digest=digest,
        folder=folder,
        device=device,
        progress=order.progress,
        teacher=teacher_cost(taught_by) if taught_by else None,
        frozen=frozen,
    )


def _check(spec: Spec, order: Order, data: Data) -> None:
    recipe = order.recipe
    if order.seed < 0:
        raise InputError(f"seed {order.seed}: must not be negative")
    if not len(data.val):
        if not order.tested:
            raise InputError(f"{data.title}: a run to choose by needs validation images")
        if recipe.early_stop and recipe.early_stop.monitor == "validation":
            raise InputError(
                f"recipe {recipe.name}: early_stop.monitor = validation: {data.title}; "
                "use training, or leave it out"
            )
    if spec.classes != data.classes:
        raise InputError(
            f"spec {spec.name}: has {spec.classes} classes, and {data.title} has {data.classes}; "
            f"edit it: classes={data.classes}"
        )
    spec.check_trainable(data.image_size)
    if recipe.batch_size > len(data.train):
        raise InputError(
            f"recipe {recipe.name}: batch_size = {recipe.batch_size}: must be at most the "
            f"{len(data.train)} training images of {data.title}"
        )
    if recipe.orthonormal and not any(subspaces(spec.layers(data.image_size))):
        raise InputError(
            f"recipe {recipe.name}: orthonormal = {recipe.orthonormal}: {spec.name} has no linear "
            "1x1 convolution that ends an inverted bottleneck or begins a bsconv; use 0"
        )
    Augmentations.of(recipe, data.image_size)
    if recipe.weight_decay and not takes_weight_decay(OPTIMIZER_CLASSES[recipe.optimizer]):
        raise InputError(
            f"recipe {recipe.name}: weight_decay = {recipe.weight_decay}: {recipe.optimizer} takes "
            "none; use 0"
        )


def _carried_out(
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
                yield Ended(number, _outcome(going.pop(number).finish))
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


def _outcome(end: Callable[[], Record]) -> Outcome:
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
        if self._validated:
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
