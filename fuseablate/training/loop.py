"""The training of runs, from their seeds to their records: one alone, or several as one network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch

from fuseablate.data.augmentations import Augmentations
from fuseablate.data.parts import Data
from fuseablate.errors import InputError, check_kind
from fuseablate.network.stacking import can_stack
from fuseablate.recipes import Recipe, check_trainable
from fuseablate.runs import Record, Store, run_digest, teacher_cost, teacher_of
from fuseablate.spec import Spec
from fuseablate.training.distillation import frozen_network
from fuseablate.training.environment import (
    check_precision,
    choose_device,
    memory_kept,
    onednn_products,
    precision_set,
    threads_set,
)
from fuseablate.training.progress import Progress, SilentProgress
from fuseablate.training.run import UNFINISHED, Run
from fuseablate.training.together import Ended, carried_out
from fuseablate.training.untested import add_test_score


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
    check_kind("spec", spec, Spec, "load_spec", "fusenet")
    check_kind("recipe", recipe, Recipe, "load_recipe", "standard")
    check_kind("data", data, Data, "load_data", "cifar100")
    check_kind("store", store, Store, "Store", "runs")
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
    with ExitStack() as folders:
        folders.enter_context(threads_set(threads))
        folders.enter_context(precision_set("float32"))
        folders.enter_context(onednn_products())
        folders.enter_context(memory_kept())
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
                yield from carried_out(group, spec, data, device)


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
    check_trainable(spec, recipe, data.image_size)
    recipe.check_images(len(data.train), data.title)
    Augmentations.of(recipe, data.image_size)
