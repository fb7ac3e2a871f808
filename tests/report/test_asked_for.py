"""What is asked of a report: columns, order, filter and flags, in every form."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fuseablate.commands.program import main
from fuseablate.report import COLUMN_NAMES, ReportOptions, analyse, read_columns
from fuseablate.report.files import WRITERS
from tests.helpers.comparisons import (
    STUDIES,
    shown,
    stored,
    written,
)
from tests.helpers.report_text import unbroken


def test_sort_filter_metric_and_runs() -> None:
    three = STUDIES["one_factor"]
    by_macs = shown(three, 140, ReportOptions(sort="macs"))
    assert by_macs.index("se=off ") < by_macs.index("kernel=3 ")
    by_score = shown(three, 140, ReportOptions(sort="score"))
    assert by_score.index("kernel=3 ") < by_score.index("se=off ")
    table = shown(three, 140, ReportOptions(filter="KERNEL")).split("\n\n")[0]
    assert "fusenet" not in table
    assert "baseline" in table
    assert "all.se=false" not in table
    # Validation scores lie a point below the test scores in these records.
    assert "39.50 ± 0.50" in shown(three, 140, ReportOptions(metric="val_top1"))


CHOSEN = ("verdict", "macs", "score")


@pytest.mark.parametrize(("width", "rows"), [(1, 0), (10, 12), (20, 12)])
def test_a_plot_without_room_is_cut_off(width: int, rows: int) -> None:
    lines = shown(STUDIES["one_factor"], width, ReportOptions(cost="training_memory")).splitlines()
    assert sum("┤" in line for line in lines) == rows
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize("width", [80, 140])
def test_chosen_columns_in_their_order_in_a_terminal(width: int) -> None:
    lines = shown(STUDIES["one_factor"], width, ReportOptions(columns=CHOSEN)).splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith("Variant"))
    assert re.sub(" +", " ", lines[at]) in (
        "Variant MACs Test top-1",
        "Variant MACs change Test top-1",
    )
    cells = re.split(" {2,}", lines[at + 2])
    assert cells[0] == "se=off"
    assert cells[-1] == "35.57 ± 0.60"
    assert "▼ worse" in lines[at + 2]
    assert "1.31M" not in lines[at + 2]


def test_chosen_columns_in_the_written_forms() -> None:
    heads = {
        form: written(form, STUDIES["one_factor"], options=ReportOptions(columns=CHOSEN))
        for form in WRITERS
    }
    verdict = "worse, whatever the spreads"
    row = f"| `se=off`<br>`all.se=false` | {verdict} | 2.14M (\u221248.0 %) | 35.57 ± 0.60 |"
    assert heads["markdown"].splitlines()[4:6] == [
        "| Variant | Verdict | MACs | Test top-1 (%), mean ± sd |",
        "|---|---|--:|--:|",
    ]
    assert row in heads["markdown"]
    assert "Xlrr@{}}" in heads["latex"]
    assert "Variant & Verdict & MACs & Test top-1 " in heads["latex"]
    assert r"se=off & worse$^{\dagger}$ & 2.14M & 35.57 $\pm$ 0.60 \\" in unbroken(heads["latex"])
    head = "comparison,variant,edits,aliases,verdict,holds,why,macs,macs_change,mean,sd"
    assert heads["csv"].splitlines()[0] == head
    assert re.findall('scope="col".*?<button.*?>(.*?)<', heads["html"])[:4] == [
        "Variant", "Verdict", "MACs", "Test top-1 (%), mean ± sd",
    ]  # fmt: skip
    assert '<th scope="col"><button type="button">Params' not in heads["html"]


@pytest.mark.parametrize("form", ["markdown", "latex", "csv", "html", "json"])
def test_order_and_filter_hold_in_every_form(form: str) -> None:
    def order(look: ReportOptions) -> list[str]:
        text = written(form, STUDIES["one_factor"], options=look)
        if form == "json":
            text = json.dumps(json.loads(text)[0]["variants"])
        elif form == "html":
            text = text[text.index("<table") : text.index("</table>")]
        elif form == "markdown":
            text = "\n".join(line for line in text.splitlines() if line.startswith("|"))
        elif form == "latex":
            text = unbroken(text[text.index("midrule") : text.index("bottomrule")])
        names = {"se=off", "kernel=3"}
        return sorted((name for name in names if name in text), key=text.index)

    assert order(ReportOptions()) == ["se=off", "kernel=3"]
    assert order(ReportOptions(sort="score")) == ["kernel=3", "se=off"]
    assert order(ReportOptions(filter="kernel")) == ["kernel=3"]


def test_latency_is_a_column_where_it_was_measured() -> None:
    measured, unmeasured = (
        [column.name for column in analyse(STUDIES[name]).sections[0].columns]
        for name in ("search", "one_factor")
    )
    assert measured == list(COLUMN_NAMES)
    assert "latency" not in unmeasured
    text = written("markdown", STUDIES["search"], options=ReportOptions(sort="latency"))
    assert text.index("| 1.10 |") > text.index("| 1.25 |")  # the reference stays first
    # Asked for where nobody measured it, it is there and empty.
    asked = written("markdown", STUDIES["one_factor"], options=ReportOptions(columns=("latency",)))
    assert "| `se=off`<br>`all.se=false` |  |" in asked


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("macs,score", ("macs", "score")),
        (" Score , MACs ", ("score", "macs")),
        ("variant,delta", ("delta",)),
    ],
)
def test_columns_as_they_are_written(text: str, found: tuple[str, ...]) -> None:
    assert read_columns(text) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("parms", "unknown column 'parms'; did you mean 'params'?"),
        ("macs,accuracy", "unknown column 'accuracy'"),
        ("macs score", "unknown column 'macs score'; did you mean"),
        ("macs,,score", "'macs,,score' leaves a name out"),
        ("", "'' leaves a name out"),
        ("macs,MACs", "'macs,MACs' names 'macs' twice; write each column once"),
        ("variant", "leaves nothing to show"),
    ],
)
def test_careless_columns_are_one_line(
    text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["report", "--columns", text])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_flags_that_cannot_be_followed_are_not_ignored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored(tmp_path)
    command = ["report", "se", "--runs", str(tmp_path)]
    assert main([*command, "--columns", "macs", "--json"]) == 2
    assert capsys.readouterr().err.endswith(
        "--columns: JSON has macs anyway; name costs beyond them, or choose another --format\n"
    )
    assert main([*command, "--json", "--format", "csv"]) == 2
    said = "--json: is --format json, and cannot be combined with --format csv\n"
    assert said in capsys.readouterr().err
    assert main([*command, "--format", "csv", "--document"]) == 2
    said = "--document: is for LaTeX; add --format latex or --output FILE.tex\n"
    assert said in capsys.readouterr().err
    assert main([*command, "--reference", "baseline"]) == 2
    assert capsys.readouterr().err.endswith(
        "--reference: is a variant of --from; studies and runs have their own\n"
    )
    assert main([*command, "--format", "csv", "--svg", str(tmp_path / "x.svg")]) == 2
    assert capsys.readouterr().err.endswith(
        "--svg: is a picture of the terminal, and cannot be combined with --format csv\n"
    )
    assert main([*command, "--cost", "latency"]) == 0
    assert "No latency was measured" in capsys.readouterr().out
    for name in (str(tmp_path), "", str(tmp_path / "none" / "x")):
        assert main([*command, "--output", name]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    page = tmp_path / "se.html"
    assert main([*command, "--format", "latex", "--output", str(page)]) == 2
    said = "se.html: is html by its ending, and cannot be combined with --format latex; leave that"
    assert said in capsys.readouterr().err
    assert main([*command, "--output", str(tmp_path / "se.png")]) == 2
    assert "se.png: is a picture; --plot draws accuracy" in capsys.readouterr().err
    assert not page.exists()
    assert main([*command, "--filter", "kernle"]) == 2
    assert "--filter kernle: no variant" in capsys.readouterr().err
    assert main([*command, "--columns", "macs,score"]) == 0
    assert "Seeds" not in capsys.readouterr().out.split("\n\n")[0]


def test_a_file_has_the_form_that_its_name_ends_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored(tmp_path)
    command = ["report", "se", "--runs", str(tmp_path)]
    assert main(command) == 0
    table = capsys.readouterr().out
    names = ("a.md", "a.tex", "a.csv", "a.json", "a.html", "a.txt", "a")
    asked = [word for name in names for word in ("--output", str(tmp_path / name))]
    # JSON and others: what is named beside it is not refused for its sake.
    assert main([*command, *asked, "--columns", "macs,delta", "--caption", "Ours"]) == 0
    assert capsys.readouterr().out != table  # the columns
    texts = [(tmp_path / name).read_text() for name in names]
    begins = ("### ", "% ", "comparison,", "[", "<!doctype html>")
    for text, begin in zip(texts, begins, strict=False):
        assert text.startswith(begin), text[:40]
    assert "Ours" in texts[1]
    assert texts[5] == texts[6]
    assert main([*command, "--format", "csv", *asked[-4:]]) == 0
    assert capsys.readouterr().out == ""
    assert (tmp_path / "a.txt").read_text() == (tmp_path / "a").read_text()
    assert main([*command, "--format", "csv"]) == 0
    assert capsys.readouterr().out == (tmp_path / "a").read_text()
