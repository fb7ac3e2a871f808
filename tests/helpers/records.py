"""Records of runs, with the numbers that a test gives them."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path

from fuseablate.runs.record import Curves, Failure, Record, Score, TestScore, pack_bits
from fuseablate.runs.store import Store
from fuseablate.spec.catalog import load_spec
from fuseablate.spec.spec import Spec


@cache
def _edited(*edits: str) -> Spec:
    return load_spec("fusenet").edit(*edits)


def record(seed: int, top1: float, *edits: str, **changes: object) -> Record:
    """Return a run of the baseline with edits, which its test top-1 tells from others."""
    spec = _edited(*edits)
    base = Record(
        digest=f"{seed:x}{len(spec.label):02x}" * 20,
        status="finished",
        spec_name=spec.name,
        label=spec.label,
        edits=spec.edits,
        spec=spec.to_dict(),
        recipe_name="standard",
        recipe={"epochs": 2, "lr": 0.1},
        data_title="CIFAR-100",
        data={"name": "cifar100", "image_size": [32, 32]},
        class_names=("a", "b"),
        seed=seed,
        params=3_284_608 if not edits else 1_306_112,
        macs=4_123_392 if not edits else 2_144_896,
        curves=Curves(
            (0.1, 0.0), (3.0, 2.5), (0.2, 0.3), (3.1, 2.6), (0.2, 0.3), (40.0, 42.0), (900.0, 950.0)
        ),
        val=Score(10, 2.6, top1 - 0.01, 0.7),
        test=TestScore(2, 2.6, top1, 0.75, per_class=(0.5, 0.5), right=pack_bits([True, False])),
        failure=None,
        stopped_epoch=None,
        environment={"threads": 1},
        notes=(),
        started="2026-01-01T00:00:00+00:00",
        ended=f"2026-01-01T00:00:0{seed}+00:00",
    )
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def failed(seed: int, *edits: str) -> Record:
    failure = Failure(step=7, epoch=1, lr=0.1, loss="nan", part="training")
    return record(seed, 0, *edits, status="failed", val=None, test=None, failure=failure)


RECORDS = [
    record(0, 0.40, "all.se=false"),
    record(0, 0.40),
    record(1, 0.42),
    record(2, 0.44),
    record(1, 0.39, "all.se=false"),
    failed(2, "all.se=false"),
]


DIGEST = "0123456789abcdef" * 4


def plain_record(digest: str = DIGEST, **changes: object) -> Record:
    """Return a run of nothing that there is; each field has a value of its own."""
    base = Record(
        digest=digest,
        status="finished",
        spec_name="fusenet",
        label="all.se=false",
        edits=("all.se=false",),
        spec={"rows": [{"id": "1", "op": "conv", "out": 16}], "name": "fusenet"},
        recipe_name="quick",
        recipe={"lr": 0.1, "epochs": 1, "schedule": {"kind": "cosine"}},
        data_title="some images",
        data={"name": "x", "mean": [0.1, 0.2], "image_size": [32, 32]},
        class_names=("cat", "dog"),
        seed=3,
        params=10,
        macs=20,
        curves=Curves((0.1,), (2.0,), (0.25,), (1.5,), (0.5,), (3.0,), (100.0,)),
        val=Score(4, 1.5, 0.5, 1.0),
        test=TestScore(
            4, 1.25, 0.75, 1.0, per_class=(0.75, None), right=pack_bits([True, False, True, True])
        ),
        failure=None,
        stopped_epoch=None,
        environment={"threads": 1, "git_revision": None},
        notes=("a note",),
        started="2025-01-01T00:00:00+00:00",
        ended="2025-01-01T00:00:03+00:00",
    )
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def put(store: Store, record: Record) -> Path:
    with store.open(record.digest) as folder:
        folder.write("record.json", record.to_json())
    return store.folder(record.digest) / "record.json"
