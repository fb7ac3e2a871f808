"""Loops of training measured against each other, by turns: ours, and those of `training.plain`.

All train the same network with SGD on the same images with the same transforms and batch size.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import torch

from fuseablate.data.batches import TrainBatches
from fuseablate.data.parts import Data, Part
from fuseablate.errors import InputError
from fuseablate.network.profile import finish
from fuseablate.plugins import plugin_sources, run_plugins
from fuseablate.recipes import Recipe
from fuseablate.runs import NEWEST, RunFolder
from fuseablate.spec import Spec
from fuseablate.training import checkpoint
from fuseablate.training.environment import memory_kept, onednn_products, precision_set
from fuseablate.training.stack import Stack
from fuseablate.training.state import TrainingState
from fuseablate.training.steps import Steps

CHECKPOINTS = 5  # of a run, whose times are taken


class Loop(ABC):
    """A loop of training."""

    title: str
    images: int
    """Of a step, of all runs that it trains."""

    def settings(self) -> AbstractContextManager[object]:
        """Return what it is to run within."""
        return nullcontext()

    @abstractmethod
    def run(self, steps: int) -> None:
        """Take so many steps; a GPU may yet be at them."""

    def close(self) -> None:  # noqa: B027 - most start nothing
        """End what it has started."""


class OurLoop(Loop):
    """The path of `train` and of a study's worker: a run alone, or several as one network."""

    def __init__(
        self, spec: Spec, data: Data, recipe: Recipe, device: torch.device, runs: int = 1
    ) -> None:
        self._precision = recipe.precision
        precision = "" if recipe.precision == "float32" else f", {recipe.precision}"
        self.title = (f"ours, {runs} stacked" if runs > 1 else "ours, alone") + precision
        self.images = runs * recipe.batch_size
        size = data.image_size
        states = [TrainingState(spec, recipe, seed, size, device) for seed in range(runs)]
        batches = TrainBatches(
            data.train,
            data,
            recipe.batch_size,
            device,
            order=[state.streams["order"] for state in states],
            augment=[state.streams["augment"] for state in states],
        )
        self._steps = Steps(Stack(spec.layers(size), states), batches)
        self._left = 0

    @contextmanager
    def settings(self) -> Iterator[None]:
        """Set what `train` sets."""
        with precision_set(self._precision), onednn_products(), memory_kept():
            yield

    def run(self, steps: int) -> None:
        """Take so many steps, through one epoch after another."""
        for _ in range(steps):
            if not self._left:
                self._steps.begin()
                self._left = len(self._steps)
            self._steps.take()
            self._left -= 1

    def close(self) -> None:
        self._steps.close()


class ProcessesLoop(Loop):
    """Several processes, each with a loop of ours, as the workers of a study."""

    def __init__(
        self,
        spec: Spec,
        data: Data,
        recipe: Recipe,
        device: torch.device,
        *,
        processes: int,
        runs: int,
    ) -> None:
        stacked = f" of {runs} stacked" if runs > 1 else ""
        self.title = f"ours, {processes} processes{stacked}, 1 thread each"
        self.images = processes * runs * recipe.batch_size
        context = multiprocessing.get_context("spawn")
        # What reads the test set may be no process's to be given, and is not read.
        shown = dataclasses.replace(data, read_test=_no_test)
        given = (plugin_sources(), spec.to_dict(), shown, recipe, device)
        self._connections: list[Connection] = []
        self._processes = []
        for _ in range(processes):
            mine, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, given, runs), daemon=True)
            process.start()
            theirs.close()  # else one that has died would be waited for
            self._connections.append(mine)
            self._processes.append(process)
        try:
            self._await()
        except InputError:
            self.close()
            raise

    def run(self, steps: int) -> None:
        """Have each take so many steps, and wait for all."""
        for connection in self._connections:
            connection.send(steps)
        self._await()

    def _await(self) -> None:
        for connection, process in zip(self._connections, self._processes, strict=True):
            try:
                wrong = connection.recv()
            except (EOFError, ConnectionError):
                process.join()
                wrong = f"it was killed or crashed (exit code {process.exitcode})"
            if wrong:
                raise InputError(f"{self.title}: a process failed: {wrong}")

    def close(self) -> None:
        for process in self._processes:
            process.terminate()
            process.join()


def _no_test() -> Part:
    raise RuntimeError("a benchmark reads no test set")


_Given = tuple[list[dict[str, str]], dict[str, Any], Data, Recipe, torch.device]


def _serve(connection: Connection, given: _Given, runs: int) -> None:
    """Take steps as they are asked for, and answer what went wrong: "" where nothing did."""
    try:
        torch.set_num_threads(1)
        plugins, spec, data, recipe, device = given
        run_plugins(plugins)
        loop = OurLoop(Spec.from_dict(spec), data, recipe, device, runs)
        connection.send("")
        with loop.settings():
            while True:
                loop.run(connection.recv())
                finish(device)
                connection.send("")
    except Exception as error:
        connection.send(" ".join(f"{type(error).__name__}: {error}".split()))


def timed(
    loops: Sequence[Loop],
    *,
    steps: int,
    turns: int,
    device: torch.device,
    tell: Callable[[str], None] = lambda text: None,
) -> list[list[float]]:
    """Return each loop's images/s, turn by turn; the loops take turns, after two unmeasured.

    `tell` hears which turn of which loop begins.
    """
    speeds: list[list[float]] = [[] for _ in loops]
    for turn in range(-1, turns):
        for loop, measured in zip(loops, speeds, strict=True):
            where = f"turn {turn + 1} of {turns}" if turn >= 0 else "warming up"
            tell(f"{where}: {loop.title}")
            with loop.settings():
                loop.run(1)  # fills the prefetch queue of a loader that sat idle meanwhile
                finish(device)
                started = time.perf_counter()
                loop.run(steps)
                finish(device)
                taken = time.perf_counter() - started
            if turn >= 0:
                measured.append(steps * loop.images / taken)
    return speeds


class CheckpointTimes(NamedTuple):
    """Seconds of a run's checkpoints, each time, and their size in bytes."""

    waited: list[float]
    """Until the run goes on."""
    written: list[float]
    """Until it is on the disk."""
    size: int


def checkpoint_times(
    spec: Spec, data: Data, recipe: Recipe, device: torch.device
) -> CheckpointTimes:
    """Return how long checkpoints of a run take, in a folder that is gone afterwards."""
    state = TrainingState(spec, recipe, 0, data.image_size, device)
    for parameter in state.network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    state.optimizer.step()  # makes its state
    waited, written = [], []
    with tempfile.TemporaryDirectory() as folder:
        writer = checkpoint.Writer(device)
        for _ in range(CHECKPOINTS):
            finish(device)
            started = time.perf_counter()
            saved = writer.save(RunFolder(Path(folder)), "0" * 64, state.to_dict())
            waited.append(time.perf_counter() - started)
            saved.result()
            written.append(time.perf_counter() - started)
        writer.close()
        size = (Path(folder) / NEWEST).stat().st_size
    return CheckpointTimes(waited, written, size)
