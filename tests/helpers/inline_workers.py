"""Workers of this process: real training, without the seconds that a process takes to start.

`python -m tests.helpers.inline_workers WORDS...` is `fuseablate WORDS...` with such workers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from fuseablate.commands.program import main
from fuseablate.engines.base import Job
from fuseablate.engines.local import ThisMachine
from fuseablate.engines.worker import ParentProgress, train_job


class InlineWorker:
    """A worker that trains a job while it is given it; a `stop` comes too late."""

    pid = None
    ready, ended = True, False

    def __init__(self, device: str) -> None:
        self.device = device
        self._messages: list[Mapping[str, Any]] = []

    def train(self, run: int, job: Job) -> None:
        train_job(job, self.device, ParentProgress(self._keep, run, self))

    def is_to_stop(self, number: int) -> bool:
        return False

    def _keep(self, message: Mapping[str, object]) -> None:
        self._messages.append(json.loads(json.dumps(message)))

    def read(self) -> Iterator[Mapping[str, Any]]:
        messages, self._messages = self._messages, []
        yield from messages

    def stop(self, run: int) -> None: ...

    def terminate(self) -> None: ...

    def kill(self) -> None: ...

    def wait(self) -> str:
        return ""


def train_inline(patch: pytest.MonkeyPatch) -> None:
    """Have the engine of this machine train in this process."""
    patch.setattr(ThisMachine, "start", lambda self, device: InlineWorker(device))
    patch.setattr(ThisMachine, "wait", lambda self, links, timeout: links)


if __name__ == "__main__":
    train_inline(pytest.MonkeyPatch())
    sys.exit(main())
