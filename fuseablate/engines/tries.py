"""Jobs on their way through tries, and the place of the worker that tries one. Without torch."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fuseablate.engines.base import Event, EventKind, Job
from fuseablate.engines.workplace import Link
from fuseablate.io.terminal import counted


@dataclass(eq=False)
class Task:
    """A job on its way."""

    job: Job
    due: float = 0.0
    """When it may begin."""
    epochs: int = 0
    """Those of its newest checkpoint."""
    failures: int = 0
    """Tries in a row that reached no new checkpoint; after one it is tried alone."""
    advanced: bool = False
    """Whether this try has reached a new checkpoint."""
    held: bool = False
    """Whether it was said that another process trains it."""
    stopping: bool = False

    def reached(self, epochs: int) -> None:
        """Take note of a checkpoint after so many epochs."""
        if epochs > self.epochs:
            self.epochs, self.failures, self.advanced = epochs, 0, True


class Tries:
    """All jobs of an engine, those of them that wait for a try, and the events so far.

    A try that reaches no new checkpoint counts as a failure; after more than `retries` of them in a
    row the job is given up. A run that another process trains is due again after `held_seconds`.
    """

    def __init__(self, retries: int, held_seconds: float) -> None:
        self._retries, self._held_seconds = retries, held_seconds
        self.tasks: dict[str, Task] = {}
        """Of all jobs that have not ended, by their keys."""
        self.waiting: list[Task] = []
        """The first is tried next."""
        self.events: list[Event] = []

    def add(self, job: Job) -> None:
        """Let a job wait for its first try."""
        task = self.tasks[job.key] = Task(job)
        self.waiting.append(task)

    def due(self) -> list[Task]:
        """Return those that wait and may begin now."""
        now = time.monotonic()
        return [task for task in self.waiting if task.due <= now]

    def next_due(self) -> float:
        """Return when another one of those that wait may begin; infinity where none is held."""
        now = time.monotonic()
        return min((task.due for task in self.waiting if task.due > now), default=math.inf)

    def stop(self, task: Task) -> None:
        """Let no more tries of a job begin."""
        task.stopping = True
        if task in self.waiting:
            self.waiting.remove(task)
            self.end(task, "", "stopped")

    def failed(self, task: Task, worker: str, text: str) -> None:
        """Try a job again after a try that broke off, or give it up."""
        task.failures += not task.advanced
        if task.failures > self._retries and not task.stopping:
            tries = counted(task.failures, "try", "tries")
            text = f"given up after {tries} that reached no new checkpoint; the last one: {text}"
            self.end(task, worker, "lost", text)
        else:
            self.again(task, worker, text)

    def again(self, task: Task, worker: str, text: str) -> None:
        """Let a job be the next one that is tried, unless it is to stop anyway."""
        if task.stopping:
            self.end(task, worker, "stopped")
            return
        self.tell("retried", task, worker, text)
        self.waiting.insert(0, task)

    def hold(self, task: Task, worker: str, text: str) -> None:
        """Let a job wait for the other process that trains it."""
        if task.stopping:
            self.end(task, worker, "stopped")
            return
        if not task.held:
            task.held = True
            self.tell("said", task, worker, f"{text}; waiting for it")
        task.due = time.monotonic() + self._held_seconds
        self.waiting.append(task)

    def end(self, task: Task, worker: str, kind: EventKind, text: str = "") -> None:
        """Tell how a job has ended, and forget it."""
        del self.tasks[task.job.key]
        self.tell(kind, task, worker, text)

    def tell(
        self,
        kind: EventKind,
        task: Task,
        worker: str,
        text: str = "",
        *,
        curves: Mapping[str, Any] | None = None,
        done: int = 0,
    ) -> None:
        """Add an event of a job."""
        self.events.append(Event(kind, task.job.key, worker, curves, text, done))

    def told(self) -> list[Event]:
        """Return the events since the last call."""
        events, self.events = self.events, []
        return events

    def forget(self) -> None:
        """Have no job and no event any more."""
        self.tasks, self.waiting, self.events = {}, [], []


@dataclass(eq=False)
class Slot:
    """A place for a worker, which is started when it is first needed, and anew when it died."""

    asked: str
    """The device, as the workplace was asked for it."""
    index: int
    """Its number among those of the device."""
    link: Link | None = None
    tasks: dict[str, Task] = field(default_factory=dict)
    """Those of one try, by their keys."""
    numbers: dict[str, int] = field(default_factory=dict)
    """That of each run of the try, by which a late `stop` does not reach the next one."""

    @property
    def device(self) -> str:
        return self.link.device if self.link else self.asked

    @property
    def name(self) -> str:
        return f"{self.device}/{self.index}"
