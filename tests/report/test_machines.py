"""A report over runs that were not trained alike says so, in every form that has room for words."""

from __future__ import annotations

import dataclasses

import pytest

from fuseablate.report import of_records
from fuseablate.report.collect import unlike
from fuseablate.report.files import WRITERS
from tests.helpers.comparisons import comparison, planned, shown, written
from tests.helpers.records import record

CPU = {"threads": 1, "device": "cpu", "device_name": "x86_64", "torch": "2.11.0"}
GPU = {**CPU, "device": "cuda:1", "device_name": "NVIDIA H200", "torch": "2.15.0"}


def test_what_differs_is_counted() -> None:
    runs = [record(seed, 0.4, environment=CPU) for seed in range(3)]
    assert unlike(runs) == ()
    assert unlike([*runs, record(3, 0.4, environment={**CPU, "device": "cpu:0"})]) == ()
    more = [record(seed, 0.4, environment={**CPU, "threads": 2}) for seed in (3, 4)]
    (said,) = unlike([*runs, *more])
    assert said.endswith("changes results by itself: threads 1 (3 runs) and 2 (2 runs).")
    (said,) = unlike([*runs, record(3, 0.4, environment=GPU)])
    assert said.endswith(
        "device cpu (x86_64) (3 runs) and cuda (NVIDIA H200) (1 run); "
        "torch 2.11.0 (3 runs) and 2.15.0 (1 run)."
    )
    # A record that does not say it differs from none.
    assert unlike([*runs, record(3, 0.4, environment={})]) == ()


@pytest.mark.parametrize("form", ["table", *WRITERS])
def test_it_is_said_in_every_form_of_runs_and_of_studies(form: str) -> None:
    (of_runs,) = of_records([record(0, 0.4, environment=CPU), record(1, 0.4, environment=GPU)])
    base, off = planned("baseline", "", (9, 9), 0.4, 0.41), planned("off", "", (9, 9), 0.3, 0.32)
    off[1][0] = dataclasses.replace(off[1][0], environment={"threads": 2})
    of_study = comparison("one-factor", base, off, notes=("A note.",))
    for make in (of_runs, of_study):
        text = shown(make, 300) if form == "table" else written(form, make)
        assert "Not all runs were trained alike" in text
        assert ("A note." in text) == (make is of_study)
