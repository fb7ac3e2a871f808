"""The engine of one machine: persistent worker processes, each with its device. Without torch."""

from __future__ import annotations

import selectors
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from fuseablate.engines.latency import measured
from fuseablate.engines.process import WorkerProcess
from fuseablate.engines.scheduler import Scheduler
from fuseablate.engines.stacking import Stacking
from fuseablate.engines.workers import Workers
from fuseablate.engines.workplace import Link
from fuseablate.spec import Size, Spec


class ThisMachine:
    """The workplace of worker processes on the devices of this machine."""

    def __init__(self, workers: Workers, log: Path | None) -> None:
        # One on each device before a second on any.
        self._devices = workers.devices * workers.per_device
        self._log = log

    def devices(self) -> Sequence[str]:
        """Return the device of each worker."""
        return self._devices

    def news(self) -> Sequence[str]:
        """Return nothing: it is the user's own machine."""
        return ()

    def start(self, device: str) -> WorkerProcess:
        """Start a worker process for a device."""
        return WorkerProcess(device, self._log)

    def wait(self, links: Sequence[Link], timeout: float) -> Sequence[Link]:
        """Return the processes with something to read."""
        with selectors.DefaultSelector() as selector:
            for link in links:
                selector.register(cast("WorkerProcess", link), selectors.EVENT_READ, link)
            return [key.data for key, _ in selector.select(timeout)]

    def latencies(self, specs: Sequence[Spec], size: Size) -> list[float]:
        """Return the milliseconds an image on the first device."""
        return measured(specs, size, self._devices[0])

    def close(self) -> None:
        """Nothing is held but the processes."""


class LocalEngine(Scheduler):
    """An Engine that trains on the devices of this machine."""

    def __init__(
        self,
        workers: Workers,
        *,
        retries: int = 2,
        log: Path | None = None,
        held_seconds: float = 3.0,
    ) -> None:
        stacking = Stacking(workers.stack, workers.memory)
        super().__init__(ThisMachine(workers, log), retries, held_seconds, stacking)
