"""What an engine of workers needs of the place where they are. Without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from fuseablate.engines.base import Job
from fuseablate.spec import Size, Spec


class Link(Protocol):
    """A worker as its engine sees it; its messages are those of `fuseablate.engines.worker`."""

    @property
    def ready(self) -> bool:
        """Whether it takes a job now; one that is starting may not yet."""

    @property
    def ended(self) -> bool:
        """Whether it has ended, and all of its messages were read."""

    @property
    def device(self) -> str:
        """Where it trains. Workers of the same device share its memory."""

    def train(self, run: int, job: Job) -> None:
        """Have it train a job; `run` is the number of the try."""

    def stop(self, run: int) -> None:
        """Have it end that try after its current epoch."""

    def read(self) -> Iterator[Mapping[str, Any]]:
        """Yield the messages that are there."""

    def terminate(self) -> None:
        """Have it end itself; nothing is lost that it has saved."""

    def kill(self) -> None:
        """End it at once."""

    def wait(self) -> str:
        """Wait for the end of a worker that ends or was killed, and return how it ended."""


class Workplace(Protocol):
    """Where the workers of an engine are."""

    def devices(self) -> Sequence[str]:
        """Return where there is room for a worker: a device for each, the best first.

        There may be more than at the last call; fewer are taken note of by the workers' ends.
        """

    def news(self) -> Sequence[str]:
        """Return what the user should know of the place since the last call."""

    def start(self, device: str) -> Link:
        """Start a worker there."""

    def wait(self, links: Sequence[Link], timeout: float) -> Sequence[Link]:
        """Return those with something to read, or that have ended, after `timeout` s at most."""

    def latencies(self, specs: Sequence[Spec], size: Size) -> list[float]:
        """Return the milliseconds that an image takes in each network, on an idle device."""

    def close(self) -> None:
        """Give back what is held, once all workers have ended."""
