"""The training of one run, from its seed to its record."""

from __future__ import annotations

import io
import math
import time
from dataclasses import dataclass

import torch

from fuseablate.cost import measure
from fuseablate.data.batches import TrainBatches
from fuseablate.data.parts import Data
from fuseablate.errors import InputError, UnreadableError
from fuseablate.io.reading import MissingError
from fuseablate.io.tensors import SpoiltError
from fuseablate.recipes import Recipe
from fuseablate.runs import (
    DESCRIPTION,
    RECORD,
    WEIGHTS,
    Description,
    Failure,
    Record,
    RunFolder,
    Score,
    Store,
    TestScore,
    run_digest,
)
from fuseablate.spec import Spec
from fuseablate.training import checkpoint
from fuseablate.training.environment import (
    check_precision,
    choose_device,
    describe,
    precision_set,
    threads_set,
)
from fuseablate.training.epoch import DivergedError, train_epoch
from fuseablate.training.evaluate import evaluate, evaluate_test
from fuseablate.training.progress import Progress, suited_progress
from fuseablate.training.schedule import has_stalled, learning_rate
from fuseablate.training.state import TrainingState, now
from fuseablate.training.untested import add_test_score

UNFINISHED = (*checkpoint.SAVED, DESCRIPTION)  # what only an unfinished run needs


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
    default what suits the standard output. Bad input, a missing device among it, is an InputError,
    before anything is written; a loss that is not finite is not an error but a record that says
    `failed`.
    """
    chosen = choose_device(device)
    _check(spec, recipe, data, seed)
    check_precision(recipe, chosen)
    digest = run_digest(spec, recipe, data, seed)
    left = [store.folder(digest) / name for name in UNFINISHED]
    record = store.get(digest)
    if record and record.serves(tested) and not any(path.exists() for path in left):
        return record
    with threads_set(threads), precision_set("float32"), store.open(digest) as folder:
        # Another process may have ended the run between the look and the lock, or have been
        # killed when the record was there and its checkpoints were not yet gone.
        if (record := store.get(digest)) is not None:
            folder.remove(*UNFINISHED)
            if record.serves(tested):
                return record
            return add_test_score(record, spec, data, folder, chosen)
        progress = progress or suited_progress()
        run = _Run(spec, recipe, data, seed, tested, digest, folder, chosen, progress)
        return run.carry_out()


def _check(spec: Spec, recipe: Recipe, data: Data, seed: int) -> None:
    if seed < 0:
        raise InputError(f"seed {seed}: must not be negative")
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


@dataclass(frozen=True)
class _Run:
    spec: Spec
    recipe: Recipe
    data: Data
    seed: int
    tested: bool
    digest: str
    folder: RunFolder
    device: torch.device
    progress: Progress

    def carry_out(self) -> Record:
        """Train to the end, and file the record."""
        state = self._resumed()
        description = Description(
            digest=self.digest,
            spec_name=self.spec.name,
            label=self.spec.label,
            recipe_name=self.recipe.name,
            epochs=self.recipe.epochs,
            data_title=self.data.title,
            seed=self.seed,
        )
        self.folder.write(DESCRIPTION, description.to_json())
        title = " ".join(filter(None, (self.spec.name, self.spec.label, f"seed {self.seed}")))
        batches = TrainBatches(
            self.data.train,
            self.data,
            self.recipe.batch_size,
            self.device,
            order=state.streams["order"],
            augment=state.streams["augment"],
        )
        images = len(batches) * self.recipe.batch_size
        try:
            self.progress.begin(title, self.recipe.epochs, len(state.curves), images)
            while not self._ends(state):
                self._epoch(state, batches)
                checkpoint.save(self.folder, self.digest, state.to_dict())
                self.progress.epoch(state.curves)
            return self._finish(state)
        except DivergedError as error:
            return self._file(state, failure=error.failure)
        except KeyboardInterrupt:
            self.progress.say(
                f"interrupted after epoch {len(state.curves)} of {self.recipe.epochs}; "
                "to go on from there, run the same command again"
            )
            raise
        finally:
            self.progress.end()

    def _resumed(self) -> TrainingState:
        """Return the state of the newest checkpoint that can be trusted, or a fresh one."""
        state = TrainingState(self.spec, self.recipe, self.seed, self.data.image_size, self.device)
        notes, threads = [], torch.get_num_threads()
        for path in (self.folder.path / name for name in checkpoint.SAVED):
            try:
                state.restore(checkpoint.load(path, self.digest))
                break
            except SpoiltError as error:
                kept = checkpoint.set_aside(path)
                notes.append(f"{path.name} could not be used, kept as {kept.name}: {error}")
            except MissingError:
                continue
            except InputError as error:
                raise UnreadableError(
                    f"{error}; it is kept, and the same command goes on from it"
                ) from None
        state.notes += tuple(notes)
        if torch.get_num_threads() != threads:
            self.progress.say(
                f"going on with {torch.get_num_threads()} CPU threads, as the run began (asked "
                f"for: {threads})"
            )
        for note in state.notes:
            self.progress.say(f"warning: {note}")
        return state

    def _ends(self, state: TrainingState) -> bool:
        stop = self.recipe.early_stop
        stalled = stop is not None and has_stalled(stop, state.curves)
        return stalled or len(state.curves) == self.recipe.epochs

    def _epoch(self, state: TrainingState, batches: TrainBatches) -> None:
        """Train for an epoch, validate, and add both to the curves."""
        done, steps = len(state.curves), len(batches)
        started = time.perf_counter()
        with precision_set(self.recipe.precision):
            loss, top1 = train_epoch(state, self.recipe, batches, self.progress)
        trained = time.perf_counter()
        val = evaluate(state.eval_model, self.data.val, self.data, self.device)
        if not math.isfinite(val.loss):
            last = (done + 1) * steps - 1
            raise DivergedError(self.recipe, last, steps, val.loss, "validation")
        state.curves = state.curves.extended(
            lr=learning_rate(self.recipe, done * steps, steps),
            train_loss=loss,
            train_top1=top1,
            val_loss=val.loss,
            val_top1=val.top1,
            seconds=time.perf_counter() - started,
            images_per_second=steps * self.recipe.batch_size / (trained - started),
        )

    def _finish(self, state: TrainingState) -> Record:
        """Read the test set, once, if at all; file the record and the weights that it is of."""
        val = evaluate(state.eval_model, self.data.val, self.data, self.device)
        test = (
            evaluate_test(state.eval_model, self.data.test(), self.data, self.device)
            if self.tested
            else None
        )
        weights = io.BytesIO()
        torch.save(
            {name: tensor.cpu() for name, tensor in state.eval_model.state_dict().items()}, weights
        )
        self.folder.write(WEIGHTS, weights.getvalue())
        return self._file(state, val=val, test=test)

    def _file(
        self,
        state: TrainingState,
        val: Score | None = None,
        test: TestScore | None = None,
        failure: Failure | None = None,
    ) -> Record:
        """Write the record, then remove what only an unfinished run needs."""
        epochs = len(state.curves)
        cost = measure(self.spec, self.data.image_size)
        record = Record(
            digest=self.digest,
            status="failed" if failure else "finished",
            spec_name=self.spec.name,
            label=self.spec.label,
            edits=self.spec.edits,
            spec=self.spec.to_dict(),
            recipe_name=self.recipe.name,
            recipe=self.recipe.to_dict(),
            data_title=self.data.title,
            data=self.data.identity,
            class_names=tuple(self.data.class_names),
            seed=self.seed,
            params=cost.params,
            macs=cost.macs,
            curves=state.curves,
            val=val,
            test=test,
            failure=failure,
            stopped_epoch=epochs if not failure and epochs < self.recipe.epochs else None,
            environment=describe(self.device),
            notes=state.notes,
            started=state.started,
            ended=now(),
            untested=not self.tested,
        )
        self.folder.write(RECORD, record.to_json())
        self.folder.remove(*UNFINISHED)
        return record
