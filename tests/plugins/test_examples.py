"""The examples, and what `fuseablate new` writes, run as their users would run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from fuseablate import InputError, Store, compare, load_result
from fuseablate.commands.program import main
from tests.helpers.paths import REPOSITORY

EXAMPLES = REPOSITORY / "examples"


def done(*words: str, folder: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "PYTEST_ADDOPTS"}
    command = [sys.executable, *words]
    run = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.mark.slow
def test_the_study_in_python(tmp_path: Path) -> None:
    words = ("--epochs", "1", "--seeds", "2", "--runs", "here", "--workers", "1")
    out = done(str(EXAMPLES / "study_in_python.py"), *words, folder=tmp_path)
    assert out.count("done, 1 epoch") == 6
    assert len(list((tmp_path / "here").glob("*/record.json"))) == 6
    store = Store(tmp_path / "here")
    result = load_result("narrow", store)
    assert result.complete
    assert [row.variant.name for row in result.report.variants] == [
        "baseline", "se=off", "kernel=3",
    ]  # fmt: skip
    assert str(result.report) in out
    assert result.best
    assert max(row.mean or 0 for row in result.report.variants) == result.best.mean
    frame = result.report.runs_to_pandas()
    scores = {run.digest: run.test.top1 for run in result.records if run.test}
    assert dict(zip(frame["run"], frame["test_top1"], strict=True)) == scores
    # The runs alone are compared as the study's are, but for what the study calls them.
    (alone,) = compare(store.records())
    (of_study,) = result.report
    by_record, by_study = (
        {row.variant.changes: row.scores for row in part.plotted} for part in (alone, of_study)
    )
    assert by_record == by_study
    assert json.loads(json.dumps(result.to_dict()))["comparisons"][0]["name"] == "narrow"
    with pytest.raises(InputError, match="'nothing'"):
        load_result("nothing", store)


@pytest.mark.slow
def test_the_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    notebook = nbformat.read(EXAMPLES / "tables_and_comparisons.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    client = NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = [output for cell in cells for output in cell.outputs]
    # Each cell has the value of its last line, and nothing is printed.
    assert [output.output_type for output in outputs] == ["execute_result"] * len(cells)
    *pages, said = [output.data for output in outputs]
    assert all("<table" in page["text/html"] for page in pages)
    assert "wider adds 29.3 % of the MACs, and gains 1.3" in said["text/plain"]


def test_the_example_op_and_what_new_writes_pass_their_tests(tmp_path: Path) -> None:
    for kind in ("op", "dataset", "recipe", "study"):
        assert main(["new", kind, f"my_{kind}", "--folder", str(tmp_path / "new")]) == 0
    out = done(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "new", str(EXAMPLES), folder=tmp_path
    )
    assert "10 passed" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("op", "conv"), "op 'conv' ships with fuseablate; give yours another name"),
        (("op", "none"), "'none' is a name of Python's own; use another, as in my_none"),
        (("dataset", "random"), "'random' is a name of Python's own"),
        (("op", "torch"), "'torch' is a name of Python's own"),
        (("recipe", "quick"), "recipe 'quick' ships with fuseablate; give yours another name"),
        (
            ("study", "My-study"),
            "'My-study' is no name; use small letters, digits and _, as in my_study\n",
        ),
        (("recipe", "taken"), "test_taken.py: is there already; remove it, or take another name"),
    ],
)
def test_nothing_is_written_where_something_is_wrong(
    words: tuple[str, str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "test_taken.py").write_text("")
    assert main(["new", *words, "--folder", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["test_taken.py"]
