"""A study's report as it is written: CSV, JSON, Markdown, LaTeX, and its plot's numbers."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
import subprocess
from pathlib import Path

import pytest

from fuseablate.report import ReportOptions
from fuseablate.report.analysis import pareto_front
from fuseablate.report.screen.drawings import interval_bar, sparkline
from fuseablate.report.search_progress import hypervolumes
from fuseablate.stats.deltas import Delta, Interval
from tests.helpers.comparisons import (
    BASE,
    LEAN,
    STUDIES,
    comparison,
    planned,
    shown,
    written,
)
from tests.helpers.golden import Golden
from tests.helpers.programs import Needs
from tests.helpers.report_text import unbroken


def test_an_interval_is_drawn_where_it_lies() -> None:
    # 17 cells from -8 to 8: a cell is one point, zero is the ninth.
    drawn = interval_bar(Delta("a", 3, -4.0, Interval(-6.0, -2.0, 0.01)), 8.0).plain
    assert drawn == "  ━━●━━ ┆        "
    assert interval_bar(Delta("a", 1, 8.0), 8.0).plain == "        ┆       ●"
    assert interval_bar(Delta("a", 0, None), 8.0).plain == ""


def test_the_front_by_hand() -> None:
    def best(*values: tuple[float, float]) -> set[str]:
        return pareto_front({str(at): point for at, point in enumerate(values)})

    assert best((1, 10), (2, 20), (3, 15), (2, 19)) == {"0", "1"}
    assert best((1, 1), (1, 1)) == {"0", "1"}


def test_the_hypervolume_by_hand() -> None:
    searched = STUDIES["search"].search
    assert searched
    done = [trial for trial in searched.trials if trial.state == "complete"]
    # The frame is 2 ms x 40 %. The first trial costs all of it; the second dominates 1 ms x 40 %.
    assert hypervolumes(done, "latency") == [0.0, 0.5]
    assert sparkline([0.0, 0.5]) == "0.000 ▁█ 0.500"
    # 13 columns have room for one block between two numbers of five characters
    assert sparkline([0.0, 0.25, 0.5], width=13) == "0.000 █ 0.500"


@pytest.mark.parametrize("form", ["csv", "markdown", "latex"])
def test_written_forms_as_they_are(form: str, golden: Golden) -> None:
    ending = {"csv": "csv", "markdown": "md", "latex": "tex"}[form]
    text = written(form, STUDIES["one_factor"], STUDIES["iso"])
    if form == "csv":  # whose last digits are those of the version of scipy
        text = re.sub(r"\d+\.\d{9,}", lambda number: f"{float(number[0]):.9g}", text)
    golden(f"report.{ending}", text)


def test_csv_by_hand() -> None:
    rows = list(csv.DictReader(io.StringIO(written("csv", STUDIES["iso"]))))
    assert [row["variant"] for row in rows] == ["baseline", "se=off", "baseline",
                                                "se=off (iso MACs)"]  # fmt: skip
    # 35.0, 36.2 and 35.5 have the mean 35.566..., the reference 40.5.
    assert float(rows[1]["mean"]) == pytest.approx(106.7 / 3)
    assert float(rows[1]["delta"]) == pytest.approx(106.7 / 3 - 40.5)
    assert float(rows[1]["params_change"]) == pytest.approx(LEAN[0] / BASE[0] - 1)
    assert rows[0]["low"] == ""


def test_json_says_everything() -> None:
    (table,) = json.loads(written("json", STUDIES["iso"]))
    assert table["title"] == "Squeeze-and-excitation"
    assert [len(variant["runs"]) for variant in table["variants"]] == [3, 3]
    assert table["variants"][1]["verdict"] == "worse"
    assert table["at_equal_cost"]["variants"][1]["variant"] == "se=off (iso MACs)"
    assert table["statistics"]["df"] == 2


def test_markup_and_special_characters_are_shown_as_they_are() -> None:
    odd = comparison(
        "one-factor",
        planned("baseline", "", BASE, 0.40, 0.41),
        planned("[bold]x_y|z&50%#", "", LEAN, 0.35, 0.36),
    )
    assert "[bold]x_y|z&50%#" in shown(odd, 140).replace("\n", "")
    named = dataclasses.replace(odd, title="SE [off]", question="[/]?", recipe="a [b]")
    for said in ("SE [off]  [/]?", "recipe a [b]"):
        assert said in shown(named, 140)
    assert r"`[bold]x_y\|z&50%#`" in written("markdown", odd)
    assert r"{}[bold]x\_y\textbar{}z\&50\%\#" in unbroken(written("latex", odd))


def compiled(tex: str, folder: Path, needs: Needs) -> str:
    """What pdfLaTeX says of a document, which must compile."""
    (folder / "r.tex").write_text(tex)
    command = [needs("pdflatex"), "-interaction=nonstopmode", "-halt-on-error", "r.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (folder / "r.pdf").stat().st_size > 1000
    return done.stdout


def test_latex_compiles_as_a_document_of_its_own(tmp_path: Path, needs: Needs) -> None:
    document = written("latex", *STUDIES.values(), options=ReportOptions(document=True))
    assert "Overfull" not in compiled(document, tmp_path, needs)


def test_a_latex_table_fits_an_article_that_refers_to_it(tmp_path: Path, needs: Needs) -> None:
    look = ReportOptions(caption="What SE buys: 50 % of the MACs & more.")
    table = written("latex", STUDIES["one_factor"], options=look)
    assert table.startswith(r"% needs \usepackage{booktabs,tabularx}")
    assert r"\documentclass" not in table
    assert r"\caption{What SE buys: 50 \% of the MACs \& more.}" in table
    label = re.findall(r"\\label{(.*?)}", table)[0]
    article = "\n".join(
        [
            r"\documentclass{article}",
            r"\usepackage[utf8]{inputenc}",
            r"\usepackage{booktabs,tabularx}",
            r"\begin{document}",
            rf"See table~\ref{{{label}}}.",
            table,
            r"\end{document}",
        ]
    )
    assert "Overfull" not in compiled(article, tmp_path, needs)
    assert "undefined" not in compiled(article, tmp_path, needs)  # once the labels are known


def test_the_best_of_a_latex_table_is_bold() -> None:
    table = written("latex", STUDIES["one_factor"])
    # Of 40.50, 35.57 and 40.57.
    assert re.findall(r"\\textbf{(.*?)}", table) == [r"40.57 $\pm$ 0.35"]
