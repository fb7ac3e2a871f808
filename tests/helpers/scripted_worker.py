"""A worker without torch that trains nothing: a job's spec lists what each of its tries does.

A step of a try is a word and what it needs: `tell` a message, `exit`, `signal`, `print`, `wait`
for a stop.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from fuseablate.engines import Job, worker


def train_job(
    job: Job,
    device: str,
    progress: worker.ParentProgress,
    load: worker.LoadData = worker.load_job_data,
) -> None:
    count = Path(job.runs) / job.key
    tries = int(count.read_text()) if count.exists() else 0
    count.write_text(str(tries + 1))
    for word, *values in job.spec["tries"][tries]:
        match word:
            case "tell":
                progress.tell(values[0], **(values[1] if values[1:] else {}))
            case "exit":
                os._exit(values[0])
            case "signal":
                os.kill(os.getpid(), values[0])
                time.sleep(60)
            case "print":
                print(values[0], flush=True)
                print(values[1], file=sys.stderr, flush=True)
            case "wait":
                while not progress.orders.is_to_stop(progress.number):
                    time.sleep(0.01)


def free_memory(device: str) -> None: ...


if __name__ == "__main__":
    worker.train_job = train_job
    worker.free_memory = free_memory
    worker.main()
