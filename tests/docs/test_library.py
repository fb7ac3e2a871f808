"""The library as a script of its users has it: it prints nothing, and is typed."""

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

EVERY_FUNCTION = """
import types
from pathlib import Path

import fuseablate as f

if __name__ == "__main__":
    part = "import fuseablate as f; f.register('optimizers', 'mine', lambda groups, lr: None)"
    Path("mine.py").write_text(part)
    table = {"input": 16, "classes": 4, "rows": [
        {"op": "conv", "kernel": 3, "out": 8, "stride": 4, "norm": "batch", "nl": "relu"},
        {"op": "conv", "kernel": 3, "out": 8, "norm": "batch", "nl": "relu"},
        {"op": "pool"},
        {"op": "conv", "kernel": 1, "out": "classes", "form": "linear"},
    ]}
    spec = f.Spec.from_dict({"name": "net", **table})
    source = {"name": "generated", "classes": 4, "size": 16, "train_images": 20}
    recipe = f.load_recipe("quick").replace(epochs=1)
    study = f.Study.from_dict({
        "title": "t", "question": "q", "spec": spec, "data": source, "recipe": recipe,
        "design": "search", "seeds": [0],
        "search": {
            "n_trials": 2, "objectives": ["accuracy", "macs"], "budget": {"macs": "baseline"},
            "finalists": {"seeds": [1]},
            "parameters": [{"name": "kernel", "kind": "categorical", "choices": [1, 3],
                            "edit": "2.kernel={}"}],
        },
    }, name="s")
    store = f.Store("runs")
    shown = [spec, study, recipe]

    def train():
        return f.train(spec, recipe, f.load_data(**source), 0, store=store)

    calls = {
        "load_plugin": lambda: f.load_plugin("mine.py"),
        "register": lambda: f.register("optimizers", "another", lambda groups, lr: None),
        "field": lambda: f.field(None),
        "load_spec": lambda: f.load_spec("fusenet"),
        "load_recipe": lambda: f.load_recipe("standard"),
        "load_study": lambda: f.load_study("se"),
        "load_data": lambda: f.load_data(**source),
        "measure": lambda: f.measure(spec),
        "diff": lambda: f.diff(spec, spec.edit("2.kernel=1")),
        "rescaled": lambda: f.rescaled(spec.edit("2.kernel=1"), "macs", spec),
        "explore": lambda: f.explore(spec, study, samples=9),
        "verify": lambda: f.verify(spec),
        "build": lambda: f.build(spec, seed=0),
        "plan_study": lambda: f.plan_study(study, store=store),
        "run_study": lambda: f.run_study(study, store=store, workers=1),
        "load_result": lambda: f.load_result("s", store),
        "train": train,
        "load_weights": lambda: f.load_weights(store.folder(shown[-1].digest) / "weights.pt"),
        "compare": lambda: f.compare(store.records()),
    }
    functions = {name for name in f.__all__ if type(getattr(f, name)) is types.FunctionType}
    assert set(calls) == functions, set(calls) ^ functions
    for call in calls.values():
        result = call()
        if result is not None:
            shown.append(result)
    report = f.load_result("s", store).report
    for thing in (*shown, report[0], report.best, report.best.variant.runs[0]):
        assert str(thing)
        getattr(thing, "_repr_html_", str)()
    for ending in ("csv", "html", "json", "md", "pdf", "png", "svg", "tex", "txt"):
        report.write(f"report.{ending}")
"""


@pytest.mark.slow
def test_nothing_of_the_library_prints(tmp_path: Path) -> None:
    """Nor do the libraries beneath it, nor a study's workers."""
    (tmp_path / "script.py").write_text(EVERY_FUNCTION)
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "script.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len([*tmp_path.glob("report.*")]) == 9


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
