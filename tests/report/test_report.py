"""The report: grouping, arithmetic by hand, and what a reader sees."""

from __future__ import annotations

import dataclasses
import io
import subprocess
import sys
from pathlib import Path

import pytest

from fuseablate.commands.program import main
from fuseablate.errors import InputError
from fuseablate.io.terminal import Screen
from fuseablate.report import analyse, of_records
from fuseablate.report.columns import delta_cell, mean_sd
from fuseablate.report.screen import print_report
from fuseablate.runs.store import Store
from fuseablate.spec.catalog import load_spec
from fuseablate.stats.deltas import Delta, Interval
from tests.helpers.golden import Golden
from tests.helpers.records import RECORDS, record


def test_mean_and_sample_deviation_by_hand() -> None:
    # 40, 42, 44: mean 42, squared distances 4 + 0 + 4, divided by n - 1 = 2, root 2.
    assert mean_sd({0: 40.0, 1: 42.0, 2: 44.0}) == "42.00 ± 2.00"
    assert mean_sd({0: 40.0}) == "40.00"
    assert mean_sd({}) == "none"


def test_no_difference_is_no_negative_one() -> None:
    """A mean that rounding left below zero has no minus; the end of an interval keeps its own."""
    assert delta_cell(Delta("a", 2, -3e-15)).whole == "+0.00"
    delta = Delta("a", 2, -3e-15, robust=Interval(-0.001, 0.001, None))
    assert delta_cell(delta).whole == "+0.00 [-0.00, +0.00]"


def test_only_runs_that_may_be_compared_share_a_table() -> None:
    other_recipe = record(0, 0.5, recipe={"epochs": 9, "lr": 0.1})
    other_data = record(0, 0.5, data={"name": "generated", "image_size": [32, 32]})
    comparisons = of_records([*RECORDS, other_recipe, other_data])
    assert [[len(v.runs) for v in c.variants] for c in comparisons] == [[3, 3], [1], [1]]
    assert [v.name for v in comparisons[0].variants] == ["fusenet", "all.se=false"]
    assert [run.seed for run in comparisons[0].variants[1].runs] == [0, 1, 2]


def test_two_labels_of_one_network_are_one_variant() -> None:
    spec = load_spec("fusenet").edit("2-12.se=false", "1.se=true").edit("1.se=false")
    same = record(5, 0.4, "fuse.se=false")
    other = dataclasses.replace(
        same, digest="6" * 64, seed=6, label=spec.label, spec=spec.to_dict()
    )
    (comparison,) = of_records([same, other])
    assert [len(variant.runs) for variant in comparison.variants] == [2]


def test_a_run_counts_once() -> None:
    """As where the records of two stores are put together, which hold some of the same runs."""
    (comparison,) = of_records([*RECORDS, *RECORDS[2:]])
    assert [variant.seeds for variant in comparison.variants] == [(0, 1, 2), (0, 1, 2)]
    assert comparison == of_records(RECORDS)[0]
    with pytest.raises(InputError, match=r"fusenet, seed 1\): has two records, which differ"):
        of_records([*RECORDS, record(1, 0.43)])


@pytest.mark.parametrize("width", [80, 140])
def test_report_as_a_reader_sees_it(width: int, golden: Golden) -> None:
    out = Screen(width=width, record=True, file=io.StringIO(), color_system=None)
    print_report(list(map(analyse, of_records(RECORDS))), out)
    text = "\n".join(line.rstrip() for line in out.export_text().splitlines()) + "\n"
    golden(f"report_{width}.txt", text)


def test_report_of_a_store_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path)
    for run in RECORDS:
        with store.open(run.digest) as folder:
            folder.write("record.json", run.to_json())
    assert main(["report", "--runs", str(tmp_path)]) == 0
    assert "42.00 ± 2.00" in capsys.readouterr().out
    assert main(["report", "--runs", str(tmp_path), "--json"]) == 0
    assert '"test_top1": 0.44' in capsys.readouterr().out


def test_the_report_as_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path)
    with store.open(RECORDS[1].digest) as folder:
        folder.write("record.json", RECORDS[1].to_json())
    picture = tmp_path / "report.svg"
    assert main(["report", "--runs", str(tmp_path), "--svg", str(picture)]) == 0
    text = picture.read_text()
    assert text.startswith("<svg")
    assert "fusenet" in text
    assert "40.00" in text
    assert main(["report", "--runs", str(tmp_path), "--svg", str(tmp_path / "no" / "x.svg")]) == 2
    assert "--svg" in capsys.readouterr().err


def test_an_empty_store_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "--runs", str(tmp_path / "none")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "none: holds no finished run" in said


def test_report_of_1000_runs_is_quick_and_needs_no_torch(tmp_path: Path) -> None:
    store = Store(tmp_path)
    run = record(0, 0.4)
    for number in range(1000):
        digest = f"{number:064x}"[::-1]
        store.folder(digest).mkdir()
        text = dataclasses.replace(run, digest=digest, seed=number).to_json()
        (store.folder(digest) / "record.json").write_text(text)
    code = (
        "import sys\nfrom fuseablate.commands.program import main\n"
        f"main(['report', '--runs', {str(tmp_path)!r}])\nassert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "1000" in done.stdout
