"""The memory that a run is foreseen to take, by which an engine stacks runs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from fuseablate.runs.store import Store
from fuseablate.spec.spec import Spec
from fuseablate.studies.plan import make_plan
from fuseablate.studies.study import load_study
from tests.helpers.records import record
from tests.helpers.study_file import factor, written

# A 1x1 convolution from 3 to 4 channels with a batch norm, a mean, a linear layer to 4 classes.
ROWS = [
    {"op": "conv", "kernel": 1, "norm": "batch", "out": 4, "nl": "identity"},
    {"op": "pool"},
    {"op": "conv", "kernel": 1, "out": "classes", "form": "linear", "bias": True},
]
WEIGHTS = 4 * (3 * 4 + 2 * 4) + (2 * 4 * 4 + 8) + 4 * (4 * 4 + 4)
"""Bytes: convolution and norm; running statistics and an int64 count; linear layer."""


def test_an_average_and_a_teacher_take_memory_as_well(tmp_path: Path) -> None:
    spec = Spec.from_dict({"name": "tiny", "input": [16, 16], "classes": 4, "rows": ROWS})
    body = 'design = "one-factor"\n' + factor("se", "off: all.se=false")
    plan, store = make_plan(load_study(written(tmp_path, body)), None), Store(tmp_path / "runs")
    known = record(0, 0.5, digest="ab" * 32, spec=spec.to_dict(), data=dict(plan.data.identity))
    folder = store.folder(known.digest)
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(known.to_json())
    (folder / "weights.pt").touch()

    def memory(**changes: object) -> int:
        recipe = plan.study.recipe.replace(batch_size=10, **changes)
        run = plan.runs[0]
        variant = dataclasses.replace(run.variant, spec=spec, recipe=recipe)
        return plan.job(dataclasses.replace(run, variant=variant), store, threads=1).memory

    plain = memory(ema=None)
    assert memory(ema=0.99) == plain + WEIGHTS
    # Maps of 16x16 before and behind the teacher's norm, and the norm's means and spreads.
    taught = 2 * 4 * 10 * 4 * 16 * 16 + 2 * 4 * 4
    assert memory(ema=None, teacher={"run": known.digest[:16]}) == plain + WEIGHTS + taught
