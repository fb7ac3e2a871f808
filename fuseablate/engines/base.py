"""The contract of engines: where the runs of a study are trained. Without torch.

An engine takes jobs, and tells what became of them as events. Whatever it goes through, a job
ends in exactly one of the events `finished`, `failed`, `stopped` and `lost`, or in none where
the engine is closed first; its run then goes on from its checkpoint when it is submitted again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from fuseablate.engines.workers import Workers
from fuseablate.spec import Size, Spec

EventKind: TypeAlias = Literal[
    "started",  # a try begins, anew or from a checkpoint
    "epoch",  # an epoch was trained and its checkpoint saved
    "finished",  # the record is in the store, with that status
    "failed",  # the same
    "stopped",  # ended by `stop`, its checkpoint kept
    "retried",  # a try broke off, as the text says, and another one follows
    "lost",  # given up, as the text says
    "said",  # the text is for the user
]


@dataclass(frozen=True)
class Job:
    """One run to be trained, as plain values that JSON can hold."""

    key: str
    """The run's digest."""
    spec: Mapping[str, Any]
    """A `Spec.to_dict()`."""
    recipe: Mapping[str, Any]
    """The fields of a `Recipe`, its name among them."""
    data: Mapping[str, Any]
    """Arguments of `load_data`."""
    seed: int
    runs: str
    """The root of the run store."""
    threads: int
    """Torch's on the CPU, which the result of a run there depends on."""
    tested: bool = True
    """Whether the test set is read in the end."""
    memory: int = 0
    """Bytes that a step of its training takes at most, as predicted; 0: not known."""
    beside: tuple[Job, ...] = ()
    """Runs of the same network that are trained with it as one; an engine fills this in."""
    plugins: Sequence[Mapping[str, str]] = ()
    """The `path` and the `source` of each plug-in file that it may need."""

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Job:
        """Return the job that `to_dict` wrote."""
        return cls(**{**table, "beside": tuple(cls.of(inner) for inner in table["beside"])})

    def to_dict(self) -> dict[str, Any]:
        """Return the job as plain values."""
        return {**vars(self), "beside": [job.to_dict() for job in self.beside]}


@dataclass(frozen=True)
class Event:
    """What happened to a job."""

    kind: EventKind
    key: str
    """The job's."""
    worker: str
    """Where it happened; empty outside of a worker."""
    curves: Mapping[str, Any] | None = None
    """Of an epoch: those of all epochs so far, as `vars(Curves)` in JSON."""
    text: str = ""
    done: int = 0
    """Of a try that begins: the epochs that were trained before."""


class Engine(Protocol):
    """Trains the runs it is given, several at a time. Used from one thread."""

    @property
    def free(self) -> int:
        """How many more jobs it would start at once; others wait their turn."""

    def submit(self, job: Job) -> None:
        """Take a job; a ValueError where it has one of the same key already."""

    def stop(self, key: str) -> None:
        """End a run after its current epoch; nothing happens where the job has ended."""

    def poll(self, timeout: float) -> list[Event]:
        """Return what has happened since the last call, at the latest after `timeout` seconds.

        It is to be called again and again: between the calls no job is begun or retried.
        """

    def latencies(self, specs: Sequence[Spec], size: Size) -> list[float]:
        """Return the milliseconds that one image of `size` takes in each network.

        To be called while the engine has no job, so that no training disturbs the clock.
        """

    def close(self) -> None:
        """End all workers at once; runs keep their last checkpoint. A second call does nothing."""


class StartEngine(Protocol):
    """Starts an engine, such as its class."""

    def __call__(self, workers: Workers, *, retries: int, log: Path | None) -> Engine:
        """Return an engine with so many workers, which may start when they are first needed.

        `retries` is how often in a row a run is tried again after a try that reached no new
        checkpoint. `log` is the file that the workers' own prints and errors are appended to
        (None: the standard error).
        """
