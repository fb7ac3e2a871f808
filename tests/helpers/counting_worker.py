"""A worker that trains as the real one does, and keeps a diary of all that it trains.

Beside a run store `runs` lies `runs.diary`, with a file for each run. Its lines are
`begin PID EPOCHS`, `images PID NUMBER` and `epoch PID EPOCHS`, each written at once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fuseablate.engines import Job, worker
from fuseablate.runs.record import Curves

Word = Literal["begin", "images", "epoch"]
trained = worker.train_job


def diary(runs: str | Path) -> Path:
    """Return the folder of the diaries of a run store.

    A worker on a cluster does not know the run store: the variable DIARY is its folder there.
    """
    return Path(os.environ.get("DIARY") or f"{runs}.diary")


@dataclass(frozen=True)
class Counted(worker.ParentProgress):
    path: Path

    def note(self, word: Word, number: int) -> None:
        # Unbuffered and appended in one write, so that a kill leaves no half of a line.
        with self.path.open("ab", buffering=0) as file:
            file.write(f"{word} {os.getpid()} {number}\n".encode())

    def begin(self, title: str, epochs: int, done: int, images: int) -> None:
        self.note("begin", done)
        super().begin(title, epochs, done, images)

    def step(self, images: int, loss: float) -> None:
        self.note("images", images)
        super().step(images, loss)

    def epoch(self, curves: Curves) -> None:
        self.note("epoch", len(curves))
        super().epoch(curves)


def train_job(
    job: Job,
    device: str,
    progress: worker.ParentProgress,
    load: worker.LoadData = worker.load_job_data,
) -> None:
    folder = diary(job.runs)
    folder.mkdir(exist_ok=True)
    counted = Counted(progress.send, progress.number, progress.orders, folder / job.key)
    trained(job, device, counted, load)


if __name__ == "__main__":
    worker.train_job = train_job
    worker.main()
