"""Objects that show themselves: as the command line shows them, in rich and in a notebook."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import rich
from rich.console import Console

from fuseablate import (
    Cost,
    Difference,
    Spec,
    Store,
    compare,
    diff,
    explore,
    load_spec,
    load_study,
    plan_study,
)
from fuseablate.commands.program import main
from fuseablate.io.terminal import Named
from tests.helpers.records import plain_record
from tests.helpers.study_file import factor, written

SE = "all.se=false"


class Tables(HTMLParser):
    """The cells of the tables of a page, row by row; other text is in `rest`."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.rest = ""
        self.open: list[str] = []
        self.feed(page)
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data
        else:
            self.rest += data


@pytest.fixture
def edited() -> Spec:
    return load_spec("fusenet").edit(SE)


def test_print_shows_what_the_command_shows(
    edited: Spec, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    difference = diff(load_spec("fusenet"), edited)
    words = {
        str(edited): ["show", "fusenet", "--set", SE],
        str(difference): ["diff", "fusenet", "fusenet", "--set-b", SE],
    }
    for text, command in words.items():
        # A form of the spec is the command's to name.
        assert main(command) == 0
        shown = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
        assert text.split("\n") == [line for line in shown if not line.startswith("form ")]


def test_a_plan_shows_itself_as_a_dry_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    body = 'design = "one-factor"\n' + factor("se", "off: all.se=false", "on: 3.se=true")
    file, store = written(tmp_path, body), Store(tmp_path / "runs")
    plan = plan_study(file, store=store, workers=2)
    assert [variant.name for variant in plan.variants] == ["baseline", "se=off", "se=on"]
    assert len(plan.runs) == len(plan.undone) == 6  # with seeds 0 and 1
    command = ["study", "run", str(file), "--dry-run", "--workers", "2", "--runs", str(store.root)]
    assert main(command) == 0
    shown = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert str(plan).split("\n") == shown


def test_costs_runs_and_variants_show_themselves() -> None:
    cost = Cost(params=1234, macs=56_789, bytes=5_000_000) + Cost(params=1)
    assert str(cost).startswith("1,235 params, 56,789 MACs")
    assert "saved 5.00 MB" in cost._repr_html_()
    assert cost == (1235, 56_789, 0, 5_000_000, 0, 0, 0)
    assert repr(cost).startswith("Cost(params=1235, macs=56789")
    record = plain_record(edits=("all.se=false",), label="all.se=false")
    words = dict(line.split(maxsplit=1) for line in str(record).split("\n"))
    assert words["digest"] == record.digest
    assert words["edits"] == "all.se=false"
    scores = {"a": (70.0, 71.0), "b": (72.0, 74.0)}
    report = compare(
        {"variant": name, "seed": seed, "score": score, "params": 2_000_000}
        for name, two in scores.items()
        for seed, score in enumerate(two)
    )
    assert report.best is not None
    head, *lines = str(report.best).split("\n")
    assert head == "b"
    cells = dict(re.split(" {2,}", line) for line in lines)
    assert cells["Params"] == "2.00M"
    assert cells["Score (%), mean ± sd"] == "73.00 ± 1.41"  # the root of 2
    assert cells["Delta, 95 % interval"].startswith("+2.50 ")
    assert str(report[0]) == str(report)


def test_a_study_shows_what_it_varies(tmp_path: Path) -> None:
    body = 'design = "one-factor"\n' + factor("se", "off: all.se=false", "on: 3.se=true")
    lines = [line.split() for line in str(load_study(written(tmp_path, body))).split("\n")]
    assert lines[0] == ["Small", "Does", "it", "work?"]
    assert ["design", "one-factor"] in lines
    assert ["data", "generated", "classes=4", "size=16"] in lines
    assert ["seeds", "2"] in lines
    assert lines[-5:] == [
        ["Factor", "Level"], ["se", "off"], ["all.se=false"], ["se", "on"], ["3.se=true"],
    ]  # fmt: skip


def test_rich_shows_it_in_the_width_that_there_is(edited: Spec) -> None:
    out = io.StringIO()
    Console(file=out, width=80).print(edited)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert any(re.search(r"^11 .* 175k ", line) for line in lines)  # 838,848 less 2 x 576^2


def test_a_notebook_shows_tables(edited: Spec) -> None:
    page = Tables(edited._repr_html_())
    head, *rows = page.rows
    # by the source's table: row 11 takes 7x7x96, expands to 576, and puts out 96
    assert [dict(zip(head, row, strict=True))["exp"] for row in rows][10] == "576"
    assert len(rows) == 16
    assert "1,306,112 params" in page.rest


def test_a_number_is_not_broken_at_its_point() -> None:
    out = io.StringIO()
    Console(file=out, width=17).print(Named("slim", "scale.width=x0.5 4.kernel=3"))
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    assert lines == ["slim", "  scale.width=", "  x0.5 4.kernel=3"]


def test_names_are_text_in_a_notebook_and_on_a_terminal() -> None:
    spec = Spec.from_dict(
        {
            "name": "mine",
            "title": "<b>[red]me\x1b[2J[/red]</b>",
            "input": 8,
            "classes": 3,
            "rows": [
                {"op": "pool"},
                {"op": "conv", "kernel": 1, "out": "classes", "form": "linear"},
            ],
        }
    )
    assert "<b>[red]me" in Tables(spec._repr_html_()).rest
    assert "<b>" not in spec._repr_html_()
    out = io.StringIO()
    Console(file=out, width=80, force_terminal=True, color_system=None).print(spec)
    for shown in (out.getvalue(), str(spec), spec._repr_html_()):
        assert "\x1b[2J" not in shown
        assert "[red]" in shown


def test_an_exploration(capsys: pytest.CaptureFixture[str]) -> None:
    seen = []
    explored = explore(
        load_spec("fusenet"), "search", budget={"macs": "4.2M"}, samples=50, top=1,
        progress=lambda census: seen.append(census.seen),
    )  # fmt: skip
    assert explored.limits == {"macs": 4_200_000}
    assert explored.census.seen == seen[-1] == 50
    assert capsys.readouterr() == ("", "")  # nothing of the library prints
    rich.print(explored)
    out, _ = capsys.readouterr()
    assert "4,200,000 MACs" in out
    assert str(explored).split("\n")[1] in out
    assert explored.to_dict()["budget"] == {"macs": 4_200_000}
    assert isinstance(diff(explored.spec, explored.spec), Difference)
