"""A worker without torch whose runs rise as `searches.rising` says, three epochs a second.

It is slow enough for a run to be stopped between its epochs.
"""

from __future__ import annotations

import time
from pathlib import Path

from fuseablate.engines import Job, worker
from fuseablate.spec.spec import Spec
from tests.helpers.instant_engine import curves, write_record
from tests.helpers.searches import rising

SECONDS = 0.3


def train_job(
    job: Job,
    device: str,
    progress: worker.ParentProgress,
    load: worker.LoadData = worker.load_job_data,
) -> None:
    spec = Spec.from_dict(job.spec)
    values = rising(spec, job.seed)
    progress.tell("started", done=0)
    for epochs in range(1, len(values) + 1):
        progress.tell("epoch", curves=vars(curves(values[:epochs])))
        time.sleep(SECONDS)
        if epochs < len(values) and progress.orders.is_to_stop(progress.number):
            progress.tell("stopped")
            return
    Path(job.runs).mkdir(parents=True, exist_ok=True)
    write_record(job, spec, values, failed=False)
    progress.tell("finished")


def free_memory(device: str) -> None: ...


if __name__ == "__main__":
    worker.train_job = train_job
    worker.main()
