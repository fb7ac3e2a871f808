"""A study that is being run: who holds its folder, and the state of each of its runs.

The driver writes the status to `status.json` in the study's folder; `study status` reads it there.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fuseablate.errors import InputError
from fuseablate.io.atomic import write_atomically
from fuseablate.io.checked import read_as
from fuseablate.io.lock import LOCK, take
from fuseablate.io.reading import RUNS_BYTES

RunState = Literal["waiting", "running", "done", "failed", "lost", "pruned"]
STATUS = "status.json"


@dataclass
class RunStatus:
    """How far a run is."""

    variant: str
    seed: int
    digest: str
    epochs: int
    """How many it is to have."""
    state: RunState = "waiting"
    epoch: int = 0
    """How many it has."""
    val_top1: float | None = None
    """The newest validation top-1, 0 to 1."""
    seconds: float = 0.0
    """Of an epoch, the median."""
    worker: str = ""


@dataclass
class StudyStatus:
    """How far a study is."""

    study: str
    title: str
    pid: int
    workers: int
    lines: list[RunStatus]
    """Of all runs, by the order of the plan."""
    possible: int = 0
    """How many more runs there may be, by the looks that are planned."""
    notes: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.time)
    updated: float = 0.0

    def count(self, *states: RunState) -> int:
        """Return how many runs are in one of the states."""
        return sum(run.state in states for run in self.lines)

    @property
    def settled(self) -> int:
        """How many runs are not trained any more; those that were lost are, at the next start."""
        return self.count("done", "failed", "pruned")

    @property
    def ended(self) -> bool:
        """Whether no run is waiting or running."""
        return not self.count("waiting", "running")

    def eta(self) -> float | None:
        """Return the seconds that are left, by the epochs measured; None before the first."""
        usual = self._epoch_seconds()
        if usual is None:
            return None
        by_variant = {run.variant: run.seconds for run in self.lines if run.seconds}
        left = sum(
            (run.epochs - run.epoch) * (run.seconds or by_variant.get(run.variant, usual))
            for run in self.lines
            if run.state in ("waiting", "running")
        )
        return left / max(1, min(self.workers, self.count("waiting", "running")))

    def longest(self) -> float | None:
        """Return the seconds that are left where all runs that are possible are asked for."""
        eta, usual = self.eta(), self._epoch_seconds()
        if eta is None or usual is None:
            return None
        epochs = statistics.median(run.epochs for run in self.lines)
        return eta + self.possible * epochs * usual / self.workers

    def _epoch_seconds(self) -> float | None:
        """Return the seconds of an epoch, of the median run; None before the first."""
        measured = [run.seconds for run in self.lines if run.seconds]
        return statistics.median(measured) if measured else None

    def save(self, folder: Path) -> None:
        """Write the status where other processes find it."""
        self.updated = time.time()
        # Without copies and without indents: a study may have a hundred thousand runs.
        table = {**vars(self), "lines": [vars(run) for run in self.lines]}
        write_atomically(folder / STATUS, json.dumps(table) + "\n")

    @classmethod
    def load(cls, folder: Path) -> StudyStatus:
        """Return the status that the study's driver wrote last."""
        return read_as(cls, folder / STATUS, "a study's status", most=RUNS_BYTES)


@contextmanager
def held(folder: Path, study: str) -> Iterator[None]:
    """Hold a study's folder alone among all processes; the lock goes with the process.

    An InputError says that another process holds it, or what the system refused meanwhile, such
    as a write to a full disk or to a read-only folder, and whether anything had begun.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / LOCK).open("a+b", buffering=0) as lock:
            if not take(lock):
                lock.seek(0)
                raise InputError(
                    f"study {study}: process {lock.read().decode().strip() or '?'} is running it; "
                    f"watch it with 'fuseablate study status {folder.name}'"
                )
            lock.truncate(0)
            lock.write(str(os.getpid()).encode())
            yield
    except BrokenPipeError:  # no fault of the folder: the reader of the output has left
        raise
    except OSError as error:
        begun = os.access(folder / STATUS, os.F_OK)  # False where it may not be seen, too
        kept = "what is done is kept, and the same command goes on from there"
        raise InputError(
            f"study {study}: {error.filename or folder}: {error.strerror or error}; "
            f"{kept if begun else 'nothing was begun'}"
        ) from None
