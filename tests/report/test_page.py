"""The HTML page: what is written into it, and what a reader finds in a real browser."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from fuseablate.commands.program import main
from fuseablate.report import Comparison
from fuseablate.report.files.page.figures import band
from fuseablate.report.files.page.networks import FieldText, alone, compared, is_variant
from fuseablate.report.files.page.searched import searched, trials_data
from fuseablate.report.marks import colour_of
from fuseablate.runs.manifest import Searched, Trial
from fuseablate.runs.record import Curves, Record
from fuseablate.spec.catalog import load_spec
from tests.helpers.comparisons import BASE, LEAN, STUDIES, comparison, planned, stored, written
from tests.helpers.programs import Needs
from tests.helpers.records import failed, record

ODD = "<script>alert(1)</script> & \"x\" 'y' </title>"


def made(name: str, edits: str, cost: tuple[int, int], *tops: float, **more: object) -> Any:
    """A variant whose runs have the network that its edits make."""
    variant, runs = planned(name, edits, cost, *tops, **more)
    spec = load_spec("fusenet").edit(*edits.split()).to_dict()
    return variant, [dataclasses.replace(run, spec=spec) for run in runs]


THREE = comparison(
    "one-factor",
    made("baseline", "", BASE, 0.400, 0.410, 0.405, latency=1.2),
    made("se=off", "all.se=false", LEAN, 0.350, 0.362, 0.355, latency=0.9),
    made("kernel=3", "fuse.kernel=3", (3_270_000, 4_010_000), 0.402, 0.406, -1),
    made("iso", "all.se=false scale.width=x1.4", (2_500_000, 4_120_000), 0.392, 0.401, 0.395,
         iso_of="se=off"),
)  # fmt: skip


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


@pytest.fixture(scope="module")
def browser(needs: Needs) -> Iterator[Any]:
    chromium = needs("chromium")
    rooted = os.geteuid() == 0  # Chromium's sandbox refuses to run as root
    with sync_playwright() as started:
        opened = started.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"] if rooted else []
        )
        yield opened
        opened.close()


@pytest.fixture
def view(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Open a comparison; at the end nothing may have been said or asked for but the file."""
    said: list[str] = []
    asked: list[str] = []

    def dismissed(dialog: Any) -> None:
        said.append(dialog.message)
        dialog.dismiss()

    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", dismissed)
    page.on("request", lambda request: asked.append(request.url))
    path = tmp_path / "report.html"

    def opened(shown: Comparison) -> Any:
        path.write_text(written("html", shown), encoding="utf-8")
        page.goto(path.as_uri())
        return page

    yield opened
    page.close()
    assert said == []
    assert asked == [path.as_uri()]


def first_column(page: Any) -> list[str]:
    table = page.locator("table.sortable").first
    return [str(text) for text in table.locator("tbody th > code").all_inner_texts()]


def test_sorting_by_click_and_by_key(view: Any) -> None:
    page = view(THREE)
    assert first_column(page) == ["baseline", "se=off", "kernel=3"]
    head = page.locator("table.sortable").first.locator("th", has_text="MACs").first
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert first_column(page) == ["se=off", "kernel=3", "baseline"]
    head.locator("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert first_column(page) == ["baseline", "kernel=3", "se=off"]
    page.keyboard.press("Space")
    assert head.get_attribute("aria-sort") is None
    assert first_column(page) == ["baseline", "se=off", "kernel=3"]


def test_what_is_missing_stays_last(view: Any) -> None:
    page = view(THREE)
    button = page.locator("table.sortable").first.locator("th button", has_text="Latency")
    for order in (["se=off", "baseline"], ["baseline", "se=off"]):
        button.click()
        assert first_column(page) == [*order, "kernel=3"]


def test_pointing_and_focus_tell_the_edits(view: Any) -> None:
    page = view(THREE)
    tip = page.locator(".scatter .tip")
    assert tip.is_hidden()
    page.locator(".point .mark").nth(1).hover(force=True)
    for said in ("all.se=false", "35.57 % over 3 of 3 seeds", "0: 35.00", "95 % interval", "worse"):
        assert said in tip.inner_text()
    page.mouse.move(0, 0)
    assert tip.is_hidden()
    page.locator(".point").nth(2).focus()
    assert "fuse.kernel=3" in tip.inner_text()
    assert "over 2 of 3 seeds" in tip.inner_text()
    page.keyboard.press("Escape")
    assert tip.is_hidden()


def test_the_cost_is_chosen(view: Any) -> None:
    page = view(THREE)
    assert page.locator(".scatter .point").count() == 4
    page.locator(".scatter button", has_text="Latency").click()
    assert page.locator(".scatter .point").count() == 2  # those that were measured
    assert "Latency (ms an image)" in page.locator(".scatter svg.plot").inner_html()
    pressed = page.locator('.scatter button[aria-pressed="true"]')
    assert pressed.all_inner_texts() == ["Latency"]


def test_curves_are_chosen(view: Any) -> None:
    page = view(THREE)
    own, grey = page.locator(".curve:not(.other)"), page.locator(".curve.other")
    assert (own.count(), grey.count()) == (4, 0)
    page.locator(".curves button.key").first.click()
    assert (own.count(), grey.count()) == (3, 1)
    assert page.locator('.curves button.key[aria-pressed="false"]').all_inner_texts() == [
        "baseline"
    ]
    page.locator(".curves button", has_text="Training loss").click()
    assert "Training loss" in page.locator(".curves svg.plot").inner_html()


def many(count: int) -> Comparison:
    return comparison(
        "one-factor",
        made("baseline", "", BASE, 0.40, 0.41),
        *(
            made(f"kernel={size}", f"2.kernel={size}", LEAN, 0.30 + size / 100, 0.31 + size / 100)
            for size in range(5, 2 * count + 3, 2)
        ),
    )


def test_every_curve_has_its_legend_and_a_colour_of_its_own(view: Any) -> None:
    page = view(many(9))
    assert page.locator(".curve").count() == page.locator(".curves button.key").count() == 9
    assert page.locator(".curve.other").count() == 2  # seven have colours of their own by hand
    page.locator(".curves button", has_text="All").click()
    colours = page.locator(".curve:not(.other) .line").evaluate_all(
        "lines => lines.map((line) => getComputedStyle(line).stroke)"
    )
    assert len(set(colours)) == len(colours) == 9
    page.locator(".curve .touch").nth(4).hover(force=True)
    assert page.locator(".curve.lit").count() == 1
    assert page.locator(".curves .tip b").inner_text().startswith(("kernel=", "baseline"))


def test_the_filter_leaves_what_holds_the_text(view: Any) -> None:
    page = view(THREE)
    page.locator(".filter input").fill("KERNEL")
    visible = page.locator("table.sortable").first.locator("tbody tr:visible th > code")
    assert visible.all_inner_texts() == ["baseline", "kernel=3"]  # the reference stays
    assert page.locator(".filter [role=status]").inner_text() == "1 of 3 variants"
    assert page.locator(".scatter .point").count() == 2
    assert page.locator(".curve").count() == 2
    page.locator(".filter input").fill("")
    assert page.locator(".scatter .point").count() == 4


def test_the_verdict_is_in_sight_on_a_telephone(view: Any) -> None:
    page = view(THREE)
    page.set_viewport_size({"width": 390, "height": 844})
    for at in range(3):
        box = page.locator("td.verdict").nth(at).bounding_box()
        assert box["width"] > 0
        assert box["x"] + box["width"] <= 390
    # A card is still a row of a table to who hears it read.
    assert page.get_by_role("row").count() >= 4
    assert page.get_by_role("columnheader", name="Verdict").first.is_visible()


def test_a_search_shows_its_trials(view: Any) -> None:
    def trial(number: int, top1: float | None, macs: int, kernel: int) -> Trial:
        return Trial(number=number, state="complete" if top1 else "pruned", seeds=1, top1=top1,
                     params=10, macs=macs, latency=None, edits=f"fuse.kernel={kernel}",
                     finalist=number == 1, assignment={"kernel": kernel, "se": True})  # fmt: skip

    page = view(
        comparison(
            "search",
            planned("baseline", "", BASE, 0.400, 0.410),
            planned("trial 1", "fuse.kernel=5", LEAN, 0.430, 0.441),
            search=Searched(
                sampler="tpe", objectives=("accuracy", "macs"), seeds=1,
                trials=(trial(0, 30.0, 100, 3), trial(1, 40.0, 200, 5), trial(2, None, 150, 7)),
                refused={"over budget": 5}, importance={"kernel": 0.75, "se": 0.25},
                random=(trial(0, 20.0, 300, 7),),
            ),
        )
    )  # fmt: skip
    assert page.locator(".trials .trial .mark").count() == 3 + 3  # of the trials and the legend
    assert page.locator(".trials .trial.finalist").count() == 1 + 1
    assert page.locator(".parallel .trial").count() == 2
    axes = page.locator(".parallel text").all_text_contents()
    assert {"kernel", "se", "Val top-1 (%)", "3", "5", "yes"} <= set(axes)
    rows = page.locator("details", has_text="All trials").locator("tbody tr")
    assert [text.split() for text in rows.all_inner_texts()] == [
        ["1", "★", "finalist", "40.00", "1", "of", "1", "200", "10", "fuse.kernel=5"],
        ["0", "done", "30.00", "1", "of", "1", "100", "10", "fuse.kernel=3"],
        ["2", "pruned", "1", "of", "1", "150", "10", "fuse.kernel=7"],
    ]
    # By hand, of a frame of 200 MACs by 40 %: 100 x 30, of 8,000 in all.
    assert "0.375" in page.locator("svg.steps").first.inner_html()
    assert "0.75" in page.get_by_role("region", name="Importance of parameters").inner_text()
    page.locator(".filter input").fill("kernel=5")
    assert page.locator(".trials figure .trial, .trials .canvas .trial").count() == 1
    page.locator(".trials .canvas .trial").first.hover(force=True)
    assert "fuse.kernel=5" in page.locator(".trials .tip").inner_text()


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


def test_edited_cells_are_marked(view: Any) -> None:
    page = view(THREE)
    edited = page.locator("details", has_text="all.se=false").first.locator("td.edited")
    # The published table has squeeze-and-excitation in ten rows.
    rows = load_spec("fusenet").to_dict()["rows"]
    assert edited.count() == len([row for row in rows if row.get("se")])
    assert edited.first.inner_text() == "yes no"


def test_no_markup_from_outside_runs(view: Any) -> None:
    page = view(
        comparison(
            "one-factor",
            planned("baseline", "", BASE, 0.40, 0.41),
            planned(ODD, "", LEAN, 0.35, 0.36),
        )
    )
    assert first_column(page) == ["baseline", ODD]
    page.locator(".point .mark").nth(1).hover(force=True)
    assert ODD in page.locator(".scatter .tip").inner_text()


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_as_wide_as_the_window(view: Any, width: int, scheme: str) -> None:
    page = view(THREE)
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") == width
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 26)"}[scheme]


def test_printing(view: Any) -> None:
    page = view(THREE)
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator(".scatter [data-cost]").first.is_visible()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == 1
    pdf = page.pdf()
    assert pdf.startswith(b"%PDF")
    assert len(pdf) > 10_000


def test_the_data_of_the_script_is_what_the_report_says() -> None:
    page = written("html", THREE)
    script = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.S)
    assert script
    (table,) = json.loads(script[1])
    assert [point["index"] for point in table["points"]] == [0, 1, 2, 3]
    assert table["points"][1]["mean"] == pytest.approx(106.7 / 3)
    assert table["points"][1]["scores"] == pytest.approx({"0": 35.0, "1": 36.2, "2": 35.5})
    assert table["curves"][0]["bands"]["val_top1"]["mean"] == pytest.approx([20.0, 30.0])
