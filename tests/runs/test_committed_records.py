"""The runs that are committed under `reports/` keep their digests, and their records are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fuseablate.recipes.recipe import Recipe
from fuseablate.runs.record import Record, read_record
from fuseablate.runs.store import DIGITS, RECORD, run_digest
from fuseablate.spec.catalog import load_spec
from fuseablate.spec.spec import Spec
from tests.helpers.paths import REPORTS

RECORDS = sorted(REPORTS.rglob(RECORD))


@dataclass(frozen=True)
class _Data:
    identity: Mapping[str, Any]
    image_size: tuple[int, int]


def digest_of(record: Record) -> str:
    height, width = record.data["image_size"]
    return run_digest(
        Spec.from_dict(record.spec),
        Recipe.model_validate(dict(record.recipe)),
        _Data(record.data, (height, width)),
        record.seed,
    )


def test_all_committed_records_are_here() -> None:
    """46 runs when this was written: 31 and 13 of the two studies, and the baseline's two."""
    assert len(RECORDS) >= 46


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.parent.name)
def test_a_committed_record_has_the_digest_of_its_run(path: Path) -> None:
    record = read_record(path)
    assert path.parent.name == record.digest[:DIGITS]
    assert digest_of(record) == record.digest


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.parent.name)
def test_the_shipped_table_with_its_edits_is_still_that_run(path: Path) -> None:
    record = read_record(path)
    spec = load_spec(record.spec_name).edit(*record.edits).with_classes(record.spec["classes"])
    size = record.data["image_size"][0], record.data["image_size"][1]
    assert spec.digest(size) == Spec.from_dict(record.spec).digest(size)
