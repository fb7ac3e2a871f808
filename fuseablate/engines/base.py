"""Engines: where the runs of a study are trained. Without torch.

An engine takes jobs, and tells what became of them as events. Whatever it goes through, a job
ends in exactly one of the events `finished`, `failed`, `stopped` and `lost`, or in none where
the engine is closed first; its run then goes on from its checkpoint when it is submitted again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from fuseablate.spec import Size, Spec

EventKind: TypeAlias = Literal[
    "started", "epoch", "finished", "failed", "stopped", "retried", "lost", "said"
]
ENDS: tuple[EventKind, ...] = ("finished", "failed", "stopped", "lost")
"""The kinds of event that a job ends in."""


@dataclass(frozen=True)
class Job:
    """One run to be trained, as plain values that JSON can hold.

    `key` is the run's digest. `spec` is a `Spec.to_dict()`. `recipe` holds the fields of a
    Recipe, its name among them. `data` holds arguments of `load_data`. `runs` is the root of the
    run store. `threads` are torch's on the CPU; the result of a run on a CPU depends on them. A
    run that is not `tested` ends without reading the test set.
    """

    key: str
    spec: Mapping[str, Any]
    recipe: Mapping[str, Any]
    data: Mapping[str, Any]
    seed: int
    runs: str
    threads: int
    tested: bool = True

    def to_json(self) -> str:
        """Return the job as one line of JSON."""
        return json.dumps(vars(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Return the job that `to_json` wrote."""
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Event:
    """What happened to a job: its key, and the worker it happened in ("" outside of one).

    started: a try begins; `text` says after which epoch. epoch: an epoch was trained and its
    checkpoint saved; `curves` are all so far, as `vars(Curves)` in JSON. finished, failed: the
    record is in the store, with that status. stopped: ended by `stop`, its checkpoint kept.
    retried: a try broke off, as `text` says, and another one follows. lost: given up, as `text`
    says. said: `text` is for the user.
    """

    kind: EventKind
    key: str
    worker: str
    curves: Mapping[str, Any] | None = None
    text: str = ""


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
