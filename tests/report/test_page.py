"""The HTML page: what is written into it."""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from fuseablate.commands.program import main
from fuseablate.report.files.page.figures import band
from fuseablate.report.files.page.networks import FieldText, alone, compared, is_variant
from fuseablate.report.files.page.searched import searched, trials_data
from fuseablate.report.marks import colour_of
from fuseablate.runs.manifest import Searched, Trial
from fuseablate.runs.record import Curves, Record
from fuseablate.spec.catalog import load_spec
from tests.helpers.comparisons import BASE, LEAN, STUDIES, comparison, planned, stored, written
from tests.helpers.records import failed, record
from tests.helpers.report_pages import ODD, THREE, many


class Page(HTMLParser):
    """The elements and the text of a page; every element must be closed in its turn."""

    EMPTY = frozenset({"meta", "line", "circle", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.EMPTY:
            assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_bands_by_hand() -> None:
    def run(*top1: float) -> Record:
        zeros = (0.0,) * len(top1)
        return record(0, 0.4, curves=Curves(zeros, zeros, zeros, zeros, top1, zeros, zeros))

    # Epoch 1: 10, 20 and 30 %; epoch 2: 40 and 50 %; the third run ended before epoch 3.
    mean_and_reach = band([run(0.1, 0.4, 0.7), run(0.2, 0.5), run(0.3)], "val_top1")
    assert mean_and_reach["mean"] == pytest.approx([20.0, 45.0, 70.0])
    assert mean_and_reach["low"] == pytest.approx([10.0, 40.0, 70.0])
    assert mean_and_reach["high"] == pytest.approx([30.0, 50.0, 70.0])
    assert band([], "val_loss")["mean"] == []


def test_cells_by_hand() -> None:
    before = {
        "classes": 100,
        "dropout": 0.2,
        "rows": [
            {"id": "1", "op": "conv", "kernel": 3, "se": True, "norm": "batch"},
            {"id": "2", "op": "pool"},
        ],
    }
    after = {
        "classes": 100,
        "dropout": 0.0,
        "rows": [
            {"id": "1", "op": "conv", "kernel": 5, "se": False, "norm": "none"},
            {"id": "3", "op": "pool"},
        ],
    }
    table = compared(after, before)
    assert table.columns == ("id", "op", "kernel", "exp", "out", "se", "nl", "stride", "norm")
    kernel, se, norm = FieldText("5", "3"), FieldText("no", "yes"), FieldText("none", "batch")
    empty = FieldText("")
    first = (FieldText("1"), FieldText("conv"), kernel, empty, empty, se, empty, empty, norm)
    assert table.rows[0] == first
    assert table.notes == ("rows removed: 2", "rows added: 3", "dropout: 0.2 to 0.0")
    same = compared(before, before)
    assert not any(field.edited for row in same.rows for field in row)
    assert "norm" not in same.columns


def test_another_network_is_shown_and_not_compared() -> None:
    fusenet, squeezenet = (load_spec(n).to_dict() for n in ("fusenet", "squeezenet1_1"))
    assert is_variant(load_spec("fusenet").edit("2-4.op=mbconv").to_dict(), fusenet)
    assert not is_variant(squeezenet, fusenet)
    table = alone(squeezenet)
    assert {"squeeze", "expand1", "expand3"} <= set(table.columns)
    assert "se_gate" not in table.columns
    assert len(table.rows) == len(squeezenet["rows"])
    assert not any(field.edited for row in table.rows for field in row)


@pytest.mark.parametrize("name", STUDIES)
def test_every_design_makes_a_sound_page(name: str) -> None:
    Page(written("html", STUDIES[name]))


def test_numbers_stand_in_the_page_without_a_script() -> None:
    texts = " ".join(Page(written("html", THREE)).texts)
    # 40, 41 and 40.5: mean 40.5, deviation 0.5; 35, 36.2 and 35.5: mean 35.57, deviation 0.60.
    for said in ("40.50 ± 0.50", "35.57 ± 0.60", "\u22124.93", "\u221260.2 %", "2 of 3", "0.90"):
        assert said in texts


def test_nothing_is_loaded_from_elsewhere() -> None:
    page = written("html", THREE)
    assert not re.search(r"(src|href)\s*=|@import|url\(", page)
    assert set(re.findall(r"https?://[^\s\"']+", page)) == {"http://www.w3.org/2000/svg"}


def test_text_from_outside_is_text() -> None:
    odd = comparison(
        "one-factor",
        planned("baseline", "", BASE, 0.40, 0.41),
        planned(ODD, "", LEAN, 0.35, 0.36),
        notes=(ODD,),
    )
    named = dataclasses.replace(odd, title=ODD, question=ODD, data=ODD, recipe=ODD)
    page = Page(written("html", named))
    assert [tag for tag, _ in page.elements].count("script") == 2  # the data and the program
    assert f"{ODD} · fuseablate report" in "".join(page.texts)


def test_a_failed_run_and_one_without_a_result() -> None:
    from fuseablate.report import of_records

    page = " ".join(Page(written("html", *of_records([record(0, 0.4), failed(1)]))).texts)
    assert "seed 1: failed at step 7 in epoch 1" in page
    assert "1 of 2" in page
    none = comparison("one-factor", planned("a", "", BASE, -1), planned("b", "x", LEAN, -1))
    assert "0 of 1" in " ".join(Page(written("html", none)).texts)


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored(tmp_path)
    ask = ["report", "se", "--runs", str(tmp_path), "--format", "html"]
    assert main([*ask, "--output", str(tmp_path / "r.html")]) == 0
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")
    capsys.readouterr()
    assert main(ask) == 2
    error = capsys.readouterr().err
    assert "name it with --output FILE" in error
    assert error.count("\n") == 1


def test_a_random_trial_that_is_alike_takes_none_of_the_search_away() -> None:
    trial = Trial(number=0, state="complete", seeds=1, top1=30.0, params=10, macs=100,
                  latency=None, edits="fuse.kernel=3", finalist=False)  # fmt: skip
    lost = dataclasses.replace(trial, number=1, state="fail", top1=None)
    search = Searched(sampler="tpe", objectives=("accuracy",), seeds=1, trials=(trial, lost),
                      refused={}, importance={}, random=(trial,))  # fmt: skip
    assert [each["random"] for each in trials_data(search)["trials"]] == [False, True]
    # The filter finds a state by the word that the table has for it.
    texts = [(row["state"], row["text"]) for row in searched(search)["trials"]]
    assert texts == [
        ("done", "trial 0 done fuse.kernel=3"),
        ("failed", "trial 1 failed fuse.kernel=3"),
    ]


def test_the_page_and_the_plot_have_the_same_colours() -> None:
    """Matplotlib writes each colour that it draws in into its SVG, but for black."""
    drawn = set(re.findall(r"fill: (#[0-9a-f]{6})", written("plot", many(9))))
    page = written("html", many(9))
    in_page = {colour.lower() for colour in re.findall(r"#[0-9A-F]{6}", page)}
    places = [colour_of(place) for place in range(9)]
    assert len(set(places)) == 9
    assert {colour.lower() for colour in places[1:]} <= drawn & in_page


def test_the_data_of_the_script_is_what_the_report_says() -> None:
    page = written("html", THREE)
    script = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.S)
    assert script
    (table,) = json.loads(script[1])
    assert [point["index"] for point in table["points"]] == [0, 1, 2, 3]
    assert table["points"][1]["mean"] == pytest.approx(106.7 / 3)
    assert table["points"][1]["scores"] == pytest.approx({"0": 35.0, "1": 36.2, "2": 35.5})
    assert table["curves"][0]["bands"]["val_top1"]["mean"] == pytest.approx([20.0, 30.0])
