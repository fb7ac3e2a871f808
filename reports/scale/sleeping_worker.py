"""A worker that sleeps where it would train, and leaves a record and weights of the usual kind."""

from __future__ import annotations

import base64
import os
import time
from pathlib import Path

from fuseablate.cost import measure
from fuseablate.engines import Job
from fuseablate.engines.worker import LoadData, ParentProgress, load_job_data
from fuseablate.runs import RECORD, WEIGHTS, Curves, Record, Score, Store, TestScore
from fuseablate.spec import Spec

EPOCHS, IMAGES, CLASSES = 3, 10_000, 100
WEIGHTS_BYTES = 50_000  # a small network's; a file is read and written whole, whatever is in it


def train_job(
    job: Job, device: str, progress: ParentProgress, load: LoadData = load_job_data
) -> None:
    """Sleep for an epoch's time again and again, then file the run."""
    store, spec = Store(Path(job.runs)), Spec.from_dict(job.spec)
    if store.get(job.key):
        progress.tell("finished")
        return
    progress.begin("sleep", EPOCHS, 0, 1)
    seconds = float(os.environ["SLEEP"]) / EPOCHS
    curves = Curves()
    for epoch in range(EPOCHS):
        time.sleep(seconds)
        top1 = 0.5 + 0.01 * epoch
        curves = curves.extended(
            lr=0.1, train_loss=1.0, train_top1=top1, val_loss=1.0, val_top1=top1,
            seconds=seconds, images_per_second=1.0,
        )  # fmt: skip
        progress.epoch(curves)
    cost = measure(spec, spec.input)
    right = base64.b64encode(os.urandom(IMAGES // 8)).decode()
    test = TestScore(IMAGES, 1.0, 0.6 + job.seed % 7 / 1000, 0.9, (0.6,) * CLASSES, right)
    moment = "2026-01-01T00:00:00+00:00"
    record = Record(
        digest=job.key, status="finished", spec_name=spec.name, label=spec.label,
        edits=spec.edits, spec=dict(job.spec), recipe_name=str(job.recipe["name"]),
        recipe={key: value for key, value in job.recipe.items() if key != "name"},
        data_title="sleep", data={"image_size": list(spec.input)},
        class_names=(), seed=job.seed, params=cost.params, macs=cost.macs, curves=curves,
        val=Score(IMAGES, 1.0, 0.6, 0.9), test=test, failure=None, stopped_epoch=None,
        environment={}, notes=(), started=moment, ended=moment,
    )  # fmt: skip
    folder = store.folder(job.key)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS).write_bytes(os.urandom(WEIGHTS_BYTES))
    (folder / RECORD).write_text(record.to_json())
    progress.tell("finished")


def free_memory(device: str) -> None:
    """Hold nothing on a device."""
