"""The page in a browser: sorting, choosing, filtering, pointing, printing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from fuseablate.report import Comparison
from fuseablate.runs.manifest import Searched, Trial
from fuseablate.spec.catalog import load_spec
from tests.helpers.comparisons import BASE, LEAN, comparison, planned, written
from tests.helpers.programs import Needs
from tests.helpers.report_pages import ODD, THREE, many


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
