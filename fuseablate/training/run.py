"""The life of one run, from its checkpoint or seed to its record."""

from __future__ import annotations

import io
import math
from concurrent.futures import Future

import torch
from torch import nn

from fuseablate.cost import measure
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
    TeacherCost,
    TestScore,
    plugins_needed,
)
from fuseablate.spec import Spec
from fuseablate.training import checkpoint
from fuseablate.training.environment import describe
from fuseablate.training.epoch import DivergedError, Trained
from fuseablate.training.evaluate import evaluate, evaluate_test
from fuseablate.training.progress import Progress
from fuseablate.training.schedule import has_stalled, learning_rate
from fuseablate.training.state import TrainingState, now, place_of

UNFINISHED = (*checkpoint.SAVED, DESCRIPTION)  # what only an unfinished run needs


class Run:
    """A run that is being trained, its folder held by this process."""

    def __init__(
        self,
        spec: Spec,
        recipe: Recipe,
        data: Data,
        seed: int,
        *,
        tested: bool,
        digest: str,
        folder: RunFolder,
        device: torch.device,
        progress: Progress,
        teacher: TeacherCost | None = None,
        frozen: nn.Module | None = None,
    ) -> None:
        """Take up the run of that digest; `frozen` is the network of its teacher."""
        self.spec, self.recipe, self.data, self.seed = spec, recipe, data, seed
        self.tested, self.digest, self.folder = tested, digest, folder
        self.device, self.progress = device, progress
        self.way = "alone"
        self.teacher = teacher
        self.state = TrainingState(spec, recipe, seed, data.image_size, device, teacher=frozen)
        self._val: Score | None = None
        self._saving: Future[None] | None = None
        """The writing of the last epoch's checkpoint, which is told of when it is there."""
        self._untold = (0, 0.0)
        """The images of an epoch that nobody has heard of, and their last loss."""

    def begin(self, images: int, writer: checkpoint.Writer, *, beside: int = 0) -> None:
        """Go on from the newest checkpoint that can be trusted; an epoch has so many `images`.

        So many others are trained `beside` it as one network. New checkpoints are the `writer`'s.
        """
        self._writer = writer
        if beside:
            self.way = f"stacked ({beside + 1} runs)"
            self.state.place = place_of(self.device, stacked=True)
        self._resume()
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
        self.progress.begin(title, self.recipe.epochs, self.epochs, images)

    @property
    def epochs(self) -> int:
        """How many are done."""
        return len(self.state.curves)

    @property
    def saved_epochs(self) -> int:
        """How many are in the newest checkpoint, when nothing more is being written."""
        return self.epochs - bool(self._saving and self._saving.exception())

    @property
    def has_ended(self) -> bool:
        """Whether no epoch is left, or early stopping leaves none."""
        stop = self.recipe.early_stop
        stalled = stop is not None and has_stalled(stop, self.state.curves)
        return stalled or self.epochs == self.recipe.epochs

    def step(self, images: int, loss: float) -> None:
        """Take note of a step, and tell of the epoch before once its checkpoint is there."""
        self._untold = (self._untold[0] + images, loss)
        if self._saving and self._saving.done():
            self.settle()
        if not self._saving:
            self._tell_steps()

    def settle(self) -> None:
        """Tell of the last epoch, once its checkpoint is there.

        Raise the `InputError` of one that cannot be written, and what the progress raises.
        """
        if self._saving:
            saving, self._saving = self._saving, None
            saving.result()
            self.progress.epoch(self.state.curves)

    def _tell_steps(self) -> None:
        if self._untold[0]:
            self.progress.step(*self._untold)
            self._untold = (0, 0.0)

    def add_epoch(
        self, trained: Trained, val: Score | None, *, steps: int, training: float, seconds: float
    ) -> None:
        """Add an epoch of so many steps to the curves, and begin to save the state.

        It took `seconds`, and its `training` so many of them. `val` is None on data without
        validation images. Raise a DivergedError where the validation loss is not finite.
        """
        self.settle()
        self._tell_steps()
        done = self.epochs
        if val and not math.isfinite(val.loss):
            last = (done + 1) * steps - 1
            raise DivergedError(self.recipe, last, steps, val.loss, "validation")
        self._val = val
        self.state.curves = self.state.curves.extended(
            lr=learning_rate(self.recipe, done * steps, steps),
            train_loss=trained.loss,
            train_top1=trained.top1,
            **({"val_loss": val.loss, "val_top1": val.top1} if val else {}),
            seconds=seconds,
            images_per_second=steps * self.recipe.batch_size / training,
        )
        self._saving = self._writer.save(self.folder, self.digest, self.state.to_dict())

    def finish(self) -> Record:
        """Read the test set, once, if at all; file the record and the weights that it is of."""
        self.settle()
        network, data = self.state.eval_model, self.data
        # That of the last epoch, unless the run was interrupted between the two.
        val = self._val
        if val is None and len(data.val):
            val = evaluate(network, data.val, data, self.device)
        test = evaluate_test(network, data.test(), data, self.device) if self.tested else None
        weights = io.BytesIO()
        # Each a tensor of its own: a part of a stacked one would be saved with all of it.
        torch.save(
            {name: tensor.cpu().clone() for name, tensor in network.state_dict().items()}, weights
        )
        self.folder.write(WEIGHTS, weights.getvalue())
        return self._file(val=val, test=test)

    def fail(self, failure: Failure) -> Record:
        """File the record of a run that has diverged."""
        self.settle()
        return self._file(failure=failure)

    def _resume(self) -> None:
        """Take over the state of the newest checkpoint that can be trusted, if there is one."""
        state, notes, threads = self.state, [], torch.get_num_threads()
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

    def _file(
        self,
        val: Score | None = None,
        test: TestScore | None = None,
        failure: Failure | None = None,
    ) -> Record:
        """Write the record, then remove what only an unfinished run needs."""
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
            curves=self.state.curves,
            val=val,
            test=test,
            failure=failure,
            stopped_epoch=None if failure or self.epochs == self.recipe.epochs else self.epochs,
            environment={**describe(self.device), "steps": self.state.steps},
            notes=self.state.notes,
            started=self.state.started,
            ended=now(),
            untested=not self.tested,
            plugins=plugins_needed(
                self.spec, self.recipe, self.data.identity.get("name"), self.data.image_size
            ),
            teacher=self.teacher,
        )
        self.folder.write(RECORD, record.to_json())
        self.folder.remove(*UNFINISHED)
        return record
