"""The plot for papers: what is in it, the same bytes each time, and what it refuses."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from fuseablate.commands.program import main
from fuseablate.report import Comparison, ReportOptions, analyse
from fuseablate.report.files.plot import COLOURED, draw_plot
from fuseablate.report.marks import COLOURS
from fuseablate.report.screen.drawings import scatter
from tests.helpers.comparisons import BASE, LEAN, STUDIES, comparison, planned, stored


def plot(compared: Comparison, cost: str, kind: str = ".svg") -> bytes:
    return draw_plot([analyse(compared, ReportOptions(cost=cost))], kind)


def texts(svg: bytes) -> list[str]:
    return [text.strip() for text in re.findall(r"<text[^>]*>([^<]*)</text>", svg.decode())]


def test_spans_by_hand() -> None:
    # 40, 41 and 40.5 have the mean 40.5; 35, 36.2 and 35.5 have 106.7 / 3. The differences of the
    # seeds are -5, -4.8 and -5: mean -14.8 / 3, deviation sqrt(0.04 / 3) = 0.11547, and Student's
    # t of two degrees of freedom is 4.30265: the half-width is 4.30265 * 0.11547 / sqrt(3).
    base, off, equal = analyse(STUDIES["iso"]).plotted
    assert base.mean == pytest.approx(40.5)
    assert (base.span, base.verdict) == (None, "reference")
    assert off.mean == pytest.approx(106.7 / 3)
    assert off.span
    low, high = off.span
    assert (high - low) / 2 == pytest.approx(4.30265 * 0.1154701 / 3**0.5, rel=1e-4)
    assert (high + low) / 2 == pytest.approx(106.7 / 3)
    assert off.scores == pytest.approx({0: 35.0, 1: 36.2, 2: 35.5})
    assert [row.variant.iso_of for row in (off, equal)] == [None, "se=off"]


def test_a_variant_without_a_result_is_not_plotted() -> None:
    none = comparison(
        "one-factor", planned("baseline", "", BASE, 0.4), planned("a", "all.se=false", LEAN, -1)
    )
    assert [row.variant.name for row in analyse(none).plotted] == ["baseline"]


def test_text_stays_text_and_is_taken_literally() -> None:
    odd = comparison(
        "one-factor",
        planned("baseline", "", BASE, 0.40, 0.41),
        planned("_x $a_1$ 50%", "", LEAN, 0.35, 0.36),
    )
    labels = texts(plot(odd, "macs"))
    assert {"MACs", "Test top-1 (%)", "Pareto front", "baseline", "_x $a_1$ 50%"} <= set(labels)


@pytest.mark.parametrize("kind", [".png", ".svg", ".pdf"])
def test_the_same_bytes_each_time(kind: str) -> None:
    first, second = (plot(STUDIES["iso"], "params", kind) for _ in range(2))
    assert first == second
    assert b"Date" not in first
    assert b"dc:date" not in first


def test_a_png_is_as_wide_as_a_column_at_300_dots_an_inch() -> None:
    with Image.open(io.BytesIO(plot(STUDIES["iso"], "macs", ".png"))) as image:
        assert image.width == 1020


# 4.10M, 4.11M and 4.12M MACs: the study maps.
NEAR = comparison(
    "one-factor",
    planned("baseline", "", BASE, 0.4457),
    planned("2x2", "1.stride=1", (1_040_864, 4_102_144), 0.5986),
    planned("4x4", "1-2.stride=1", (331_344, 4_111_072), 0.6162),
)


def test_costs_that_hardly_differ_look_it() -> None:
    ticks = [text for text in texts(plot(NEAR, "macs")) if re.fullmatch(r"\d\.\d\dM", text)]
    assert len(ticks) >= 4
    assert len(set(ticks)) == len(ticks)
    assert float(ticks[-1][:-1]) - float(ticks[0][:-1]) > 0.29
    # In characters, too, the axis is a tenth of 4.12M long, of which they take a twentieth.
    report = analyse(NEAR)
    lines = [line.plain for line in scatter(report.plotted, report.cost, "Test top-1", 100)]
    marks = [line.index(mark) for mark in "aBC" for line in lines[1:13] if mark in line]
    assert len(marks) == 3
    assert max(marks) - min(marks) in (4, 5)  # 21,248 / 412,339 of 90 steps
    assert lines[14].split() == ["3.91M", "MACs", "4.32M", "MACs"]


def test_no_text_is_cut_off_at_the_sides() -> None:
    for compared in (NEAR, STUDIES["iso"]):
        with Image.open(io.BytesIO(plot(compared, "macs", ".png"))) as image:
            grey = image.convert("L")
            sides = [(0, 0, 2, grey.height), (grey.width - 2, 0, grey.width, grey.height)]
            assert all(grey.crop(side).getextrema() == (255, 255) for side in sides)


@pytest.mark.parametrize("top1", [0.4, -1])
def test_the_dashed_line_is_the_reference_and_no_other_variant(top1: float) -> None:
    made = (planned("baseline", "", BASE, top1), planned("a", "all.se=false", LEAN, 0.3))
    drawn = plot(comparison("one-factor", *made), "macs").decode()
    assert ("stroke-dasharray" in drawn) == (top1 > 0)


def test_of_many_variants_the_front_and_the_reference_are_named() -> None:
    many = comparison(
        "per-row",
        planned("baseline", "", BASE, 0.400, 0.410),
        *(
            planned(f"v{at}", "", (BASE[0] - at, BASE[1]), 0.30 + at / 100, 0.31 + at / 100)
            for at in range(COLOURED)
        ),
    )
    labels = texts(plot(many, "params"))
    # v11 costs the least and scores best: 41 and 42 %; it alone is on the front.
    assert {"baseline", f"v{COLOURED - 1}"} <= set(labels)
    assert "v0" not in labels


def test_of_more_variants_than_letters_the_front_has_one() -> None:
    # The last is the cheapest and the best, and so alone on the front of 30.
    costs = [(BASE[0], BASE[1] - 100_000 * at) for at in range(30)]
    made = [planned(f"v{at}", "", cost, 0.3 + at / 100) for at, cost in enumerate(costs)]
    report = analyse(comparison("per-row", *made))
    *lines, legend = [
        line.plain for line in scatter(report.plotted, report.cost, "Test top-1", 100)
    ]
    assert legend.startswith("a v0, ")
    assert "B v29" in legend
    assert sum("B" in line for line in lines[1:13]) == 1


def seen(colour: str, matrix: list[list[float]]) -> list[float]:
    """The colour in linear RGB as a dichromat sees it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return [sum(m * p for m, p in zip(row, linear, strict=True)) for row in matrix]


def test_colours_differ_for_the_colour_blind() -> None:
    # Viénot, Brettel and Mollon (1999), for linear RGB: protanopes and deuteranopes.
    protan = [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]]
    deutan = [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]]
    for matrix in (protan, deutan):
        colours = [seen(colour, matrix) for colour in COLOURS]
        for at, perceived in enumerate(colours):
            for other in colours[at + 1 :]:
                assert sum((a - b) ** 2 for a, b in zip(perceived, other, strict=True)) > 0.07**2


def test_files_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored(tmp_path)
    ask = ["report", "se", "--runs", str(tmp_path), "--plot"]
    for name, begin in (("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.pdf", b"%PDF")):
        assert main([*ask, str(tmp_path / name)]) == 0
        assert (tmp_path / name).read_bytes().startswith(begin)
    capsys.readouterr()
    nearest = f"there is no folder {tmp_path}/none; the nearest that exists: {tmp_path}"
    for more, said in (
        ([str(tmp_path / "a.jpg")], "must end in .png or .svg or .pdf"),
        ([str(tmp_path / "none" / "a.png")], nearest),
        ([str(tmp_path / "b.png"), "--cost", "latency"], "both a result and a value of 'latency'"),
    ):
        assert main([*ask, *more]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
    assert not (tmp_path / "b.png").exists()


def test_no_torch_and_no_matplotlib_before_a_plot_is_asked_for(tmp_path: Path) -> None:
    stored(tmp_path)
    code = (
        "import sys; from fuseablate.commands.program import main; "
        f"main(['report', 'se', '--runs', {str(tmp_path)!r}, *sys.argv[1:]]); "
        "print([name in sys.modules for name in ('torch', 'matplotlib')])"
    )
    for more, want in (
        ([], "[False, False]"),
        (["--plot", str(tmp_path / "a.svg")], "[False, True]"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code, *more], capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines()[-1] == want


def test_drawing_is_pure() -> None:
    """A plot leaves matplotlib's settings as they were."""
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    plot(STUDIES["iso"], "macs")
    assert dict(mpl.rcParams) == before
