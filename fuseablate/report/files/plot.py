"""The plot of accuracy against cost for a paper, by matplotlib: the same each time.

Without torch; matplotlib is imported when a plot is drawn.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from textwrap import fill
from typing import Any

from fuseablate.cost import CostKind
from fuseablate.errors import InputError
from fuseablate.io.escaping import plain
from fuseablate.io.terminal import short
from fuseablate.report.analysis import AnalysedComparison, front_of
from fuseablate.report.differences import AnalysedVariant
from fuseablate.report.marks import LEAST_SPAN, colour_of, mark_of

WIDTH, HEIGHT = 3.4, 2.6  # inches: a column of a paper; of the legend, what its lines take
LEFT, RIGHT, TOP, BELOW = 0.56, 0.2, 0.25, 0.5  # inches around the axes
LINE = 0.16  # inches of one line of the legend
LETTERS = 54  # of one line of the legend
STYLE: Any = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.fontsize": 7,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "fuseablate",  # ids that do not change
    "savefig.dpi": 300,
}
# The entries of a file's head that would make two plots of the same data differ, by its ending.
UNDATED: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
COLOURED = 12  # variants up to which each has its colour; of more, the front's and the reference
GREY = "0.65"


def draw_plot(reports: Sequence[AnalysedComparison], kind: str) -> bytes:
    """Return the plot of each comparison, one under the other; kind is one of `UNDATED`.

    Raises an `InputError` where no variant has both a score and the cost.
    """
    panels = []
    for report in reports:
        rows = [row for row in report.plotted if row.variant.cost(report.cost.name) is not None]
        if rows:
            panels.append((report, fill(report.comparison.heading, LETTERS), rows))
    if not panels:
        cost = reports[0].options.cost
        raise InputError(f"--plot: no variant has both a result and a value of '{cost}'")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        tall = [
            HEIGHT + LINE * (heading.count("\n") + _legend_lines(rows, report.cost))
            for report, heading, rows in panels
        ]
        figure = Figure(figsize=(WIDTH, sum(tall)))
        top = sum(tall)
        for report, heading, rows in panels:
            # Placed by hand: no length of a heading or a label may take the axes' room.
            top -= LINE * heading.count("\n")
            left, bottom = LEFT / WIDTH, (top - HEIGHT + BELOW) / sum(tall)
            wide, high = (WIDTH - LEFT - RIGHT) / WIDTH, (HEIGHT - TOP - BELOW) / sum(tall)
            axes = figure.add_axes((left, bottom, wide, high))
            _panel(axes, report, rows)
            axes.set_title(plain(heading), loc="left", parse_math=False)
            top -= HEIGHT + LINE * _legend_lines(rows, report.cost)
        out = io.BytesIO()
        undated = UNDATED[kind]
        with warnings.catch_warnings():
            # An SVG is shown in its reader's fonts; a PNG has a box for what no font here has.
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            figure.savefig(out, format=kind[1:], metadata=undated)
    return out.getvalue()


def _named(rows: Sequence[AnalysedVariant], cost: CostKind) -> list[AnalysedVariant]:
    """Return those that the legend names: all, or where they are many those that matter."""
    if len(rows) <= COLOURED:
        return list(rows)
    front = front_of(rows, cost)
    return [row for row in rows if row.variant is row.reference or row.variant.key in front]


def _label(row: AnalysedVariant) -> str:
    return fill(plain(row.variant.plot_label), LETTERS, initial_indent=" ", subsequent_indent="   ")


def _legend_lines(rows: Sequence[AnalysedVariant], cost: CostKind) -> int:
    return 1 + sum(_label(row).count("\n") + 1 for row in _named(rows, cost))


def _panel(axes: Any, report: AnalysedComparison, rows: Sequence[AnalysedVariant]) -> None:
    cost = report.cost
    named, front = _named(rows, cost), front_of(rows, cost)
    steps = sorted({
        (cost.in_unit(row.variant.cost(cost.name) or 0), row.mean)
        for row in rows
        if row.variant.key in front
    })  # fmt: skip
    if len(steps) > 1:
        axes.step(*zip(*steps, strict=True), where="post", color="0.6", lw=0.8, zorder=1,
                  label="Pareto front")  # fmt: skip
    if rows[0].variant is rows[0].reference:
        axes.axhline(rows[0].mean, color="0.8", lw=0.8, ls=(0, (4, 3)), zorder=0)
    places = {variant.key: at for at, variant in enumerate(report.comparison.variants)}
    for row in rows:
        at = places[row.variant.key] if row in named else None
        colour, marker = (GREY, "o") if at is None else (colour_of(at), mark_of(at))
        above = 0 if at is None else 3
        value, scores = cost.in_unit(row.variant.cost(cost.name) or 0), list(row.scores.values())
        if row.span:
            axes.vlines(value, *row.span, color=colour, lw=1.2, zorder=above + 1)
        axes.scatter([value] * len(scores), scores, s=5, color=colour,
                     alpha=0.45, linewidths=0, zorder=above + 2)  # fmt: skip
        axes.scatter([value], [row.mean], s=30 if at is not None else 14, marker=marker,
                     facecolor="white" if row.variant.iso_of else colour, edgecolor=colour,
                     label=None if at is None else _label(row), zorder=above + 3)  # fmt: skip
    axes.set_xlabel(cost.label)
    axes.set_ylabel(f"{report.metric_title} (%)")
    axes.margins(0.08)
    low, high = axes.get_xlim()
    if (short_of := LEAST_SPAN * high - (high - low)) > 0:
        axes.set_xlim(low - short_of / 2, high + short_of / 2)
    if not cost.decimals:
        from matplotlib.ticker import FuncFormatter, MaxNLocator

        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(max(value, 0))))
    legend = axes.legend(
        loc="upper left",
        bbox_to_anchor=(-LEFT / (WIDTH - LEFT - RIGHT), -BELOW / (HEIGHT - TOP - BELOW)),
        frameon=False,
        borderaxespad=0,
        handletextpad=0.3,
        labelspacing=0.3,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
