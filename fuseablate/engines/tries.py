"""A job on its way through tries, and the place of the worker that tries it. Without torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from fuseablate.engines.base import Job
from fuseablate.engines.workplace import Link


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
