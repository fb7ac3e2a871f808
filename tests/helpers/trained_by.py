"""Which process trains a run: seen where an engine gives the run to a worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fuseablate.engines import Job


@contextmanager
def trained_by(link: type[Any]) -> Iterator[dict[str, int]]:
    """Yield the process that each run was given to last, by the run's key, as it comes to be.

    link: the class by which an engine reaches its workers, which know their process (`pid`).
    """
    pids: dict[str, int] = {}
    train = link.train

    def noted(self: Any, run: int, job: Job) -> None:
        pids[job.key] = self.pid
        train(self, run, job)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(link, "train", noted)
        yield pids
