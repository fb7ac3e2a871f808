"""The board of a running study: the state of each run, as the terminal and other processes see it.

The driver writes it to `status.json` in the study's folder; `study status` reads it there.
"""

from __future__ import annotations

import json
import statistics
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from fuseablate.io.atomic import write_atomically
from fuseablate.io.checked import read_as

RunState = Literal["waiting", "running", "done", "failed", "lost", "pruned"]
STATUS = "status.json"


@dataclass
class RunStatus:
    """One run: its state, epochs done and asked for, its newest validation top-1 (0 to 1)."""

    variant: str
    seed: int
    digest: str
    epochs: int
    state: RunState = "waiting"
    epoch: int = 0
    val_top1: float | None = None
    seconds: float = 0.0  # of an epoch, the median
    worker: str = ""


@dataclass
class StudyStatus:
    """All runs of a study, by the order of the plan.

    possible: how many more there may be, by the looks that are planned.
    """

    study: str
    title: str
    pid: int
    workers: int
    lines: list[RunStatus]
    possible: int = 0
    notes: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.time)
    updated: float = 0.0

    def line(self, digest: str) -> RunStatus:
        """Return the line of a run."""
        return next(line for line in self.lines if line.digest == digest)

    def count(self, *states: RunState) -> int:
        """Return how many runs are in one of the states."""
        return sum(line.state in states for line in self.lines)

    @property
    def ended(self) -> bool:
        """Whether no run is waiting or running."""
        return not self.count("waiting", "running")

    def eta(self) -> float | None:
        """Return the seconds that are left, by the epochs measured; None before the first."""
        usual = self._usual()
        if usual is None:
            return None
        by_variant = {line.variant: line.seconds for line in self.lines if line.seconds}
        left = sum(
            (line.epochs - line.epoch) * (line.seconds or by_variant.get(line.variant, usual))
            for line in self.lines
            if line.state in ("waiting", "running")
        )
        return left / max(1, min(self.workers, self.count("waiting", "running")))

    def longest(self) -> float | None:
        """Return the seconds that are left where all runs that are possible are asked for."""
        eta, usual = self.eta(), self._usual()
        if eta is None or usual is None:
            return None
        epochs = statistics.median(line.epochs for line in self.lines)
        return eta + self.possible * epochs * usual / self.workers

    def _usual(self) -> float | None:
        """Return the seconds of an epoch, of the median run; None before the first."""
        measured = [line.seconds for line in self.lines if line.seconds]
        return statistics.median(measured) if measured else None

    def save(self, folder: Path) -> None:
        """Write the board where other processes find it."""
        self.updated = time.time()
        write_atomically(folder / STATUS, json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> StudyStatus:
        """Return the board that the study's driver wrote last."""
        return read_as(cls, folder / STATUS, "a study's status")
