"""The library as its users' type checkers see it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.paths import REPOSITORY

SCRIPT = """
from pathlib import Path

import fuseablate
from fuseablate import Report, ReportOptions, Store, StudyResult

spec = fuseablate.load_spec("fusenet").edit("all.se=false")
macs: int = fuseablate.measure(spec, (32, 32)).macs
same: bool = fuseablate.diff(spec, spec).same
wide: fuseablate.Spec = fuseablate.rescaled(spec, "macs", fuseablate.load_spec("fusenet"))
seen: int = fuseablate.explore(spec, "search", budget={"macs": "4M"}).census.seen
report: Report = fuseablate.compare(
    [{"variant": "a", "seed": 0, "score": 70.0}], options=ReportOptions(cost="params")
)
verdicts: list[str] = [row.verdict for row in report.variants]
result: StudyResult = fuseablate.run_study("se", store=Store(Path("runs")), progress=print)
best = result.best
if best is not None:
    mean: float | None = best.mean
reveal_type(result.records)
fuseablate.measure("fusenet")
"""


@pytest.mark.slow
def test_a_script_is_checked_strictly(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", "cache", "script.py"],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    note, error, *_, count = [
        line for line in done.stdout.splitlines() if line.startswith(("script.py", "Found"))
    ]
    assert 'Revealed type is "tuple[fuseablate.runs.record.Record, ...]"' in note.replace(
        "builtins.", ""
    )
    assert 'Argument 1 to "measure" has incompatible type "str"' in error
    assert count.startswith("Found 1 error in 1 file")
