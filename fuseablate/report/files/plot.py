"""The plot of accuracy against cost for a paper, by matplotlib: PNG or SVG, the same each time.

Without torch; matplotlib is imported when a plot is drawn.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from textwrap import fill
from typing import Any

from fuseablate.errors import InputError
from fuseablate.io.escaping import plain
from fuseablate.io.terminal import short
from fuseablate.report.comparison import Comparison
from fuseablate.report.files.dots import COLOURS, Dot, dots_of
from fuseablate.report.judged import views
from fuseablate.report.screen.pareto import Point, front

WIDTH, HEIGHT = 3.4, 2.6  # inches: a column of a paper; of the legend, what its lines take
LEFT, RIGHT, TOP, BELOW = 0.5, 0.1, 0.25, 0.5  # inches around the axes
LINE = 0.16  # inches of one line of the legend
LETTERS = 54  # of one line of the legend
AXES = {"macs": "MACs", "params": "Params", "latency": "Latency (ms an image)"}
MARKERS = "osD^vP*X"
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
NAMED = 12  # variants up to which each has its colour; of more, the front's and the reference
GREY = "0.65"


def drawn(comparisons: Sequence[Comparison], metric: str, cost: str, kind: str) -> bytes:
    """Return the plot of each comparison, one under the other; kind is `.png` or `.svg`.

    Raises an `InputError` where no variant has both a score and the cost.
    """
    panels = []
    for comparison in comparisons:
        judged = views(comparison, metric)
        dots = [dot for dot in dots_of(*judged) if getattr(dot, cost) is not None]
        if dots:
            heading = fill(comparison.heading, LETTERS)
            panels.append((heading, judged[0].title, dots))
    if not panels:
        raise InputError(f"--plot: no variant has both a result and a value of '{cost}'")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        tall = [
            HEIGHT + LINE * (heading.count("\n") + _legend_lines(dots, cost))
            for heading, _, dots in panels
        ]
        figure = Figure(figsize=(WIDTH, sum(tall)))
        top = sum(tall)
        for heading, title, dots in panels:
            # Placed by hand: no length of a heading or a label may take the axes' room.
            top -= LINE * heading.count("\n")
            left, bottom = LEFT / WIDTH, (top - HEIGHT + BELOW) / sum(tall)
            wide, high = (WIDTH - LEFT - RIGHT) / WIDTH, (HEIGHT - TOP - BELOW) / sum(tall)
            axes = figure.add_axes((left, bottom, wide, high))
            _panel(axes, dots, cost, f"{title} (%)")
            axes.set_title(plain(heading), loc="left", parse_math=False)
            top -= HEIGHT + LINE * _legend_lines(dots, cost)
        out = io.BytesIO()
        undated = {"Date": None} if kind == ".svg" else {"Software": None}
        with warnings.catch_warnings():
            # An SVG is shown in its reader's fonts; a PNG has a box for what no font here has.
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            figure.savefig(out, format=kind[1:], metadata=undated)
    return out.getvalue()


def _front(dots: Sequence[Dot], cost: str) -> list[Dot]:
    best = front(
        [Point(dot.key, dot.name, getattr(dot, cost), dot.mean, dot.diverged) for dot in dots]
    )
    return [dot for dot in dots if dot.key in best]


def _named(dots: Sequence[Dot], cost: str) -> list[Dot]:
    """Return the dots that the legend names: all, or where they are many those that matter."""
    if len(dots) <= NAMED:
        return list(dots)
    best = _front(dots, cost)
    return [*([] if dots[0] in best else dots[:1]), *best]


def _label(dot: Dot) -> str:
    return fill(plain(dot.label), LETTERS, initial_indent=" ", subsequent_indent="   ")


def _legend_lines(dots: Sequence[Dot], cost: str) -> int:
    return 1 + sum(_label(dot).count("\n") + 1 for dot in _named(dots, cost))


def _panel(axes: Any, dots: Sequence[Dot], cost: str, title: str) -> None:
    named = _named(dots, cost)
    ahead = sorted({(getattr(dot, cost), dot.mean) for dot in _front(dots, cost)})
    if len(ahead) > 1:
        axes.step(*zip(*ahead, strict=True), where="post", color="0.6", lw=0.8, zorder=1,
                  label="Pareto front")  # fmt: skip
    axes.axhline(dots[0].mean, color="0.8", lw=0.8, ls=(0, (4, 3)), zorder=0)
    for dot in dots:
        at = named.index(dot) if dot in named else None
        others = COLOURS[1:]  # the first is the reference's alone
        colour = COLOURS[0] if dot is dots[0] else GREY if at is None else others[at % len(others)]
        marker = "o" if at is None else MARKERS[at % len(MARKERS)]
        above = 0 if at is None else 3
        value = getattr(dot, cost)
        if dot.low is not None and dot.high is not None:
            axes.vlines(value, dot.low, dot.high, color=colour, lw=1.2, zorder=above + 1)
        axes.scatter([value] * len(dot.scores), list(dot.scores.values()), s=5, color=colour,
                     alpha=0.45, linewidths=0, zorder=above + 2)  # fmt: skip
        axes.scatter([value], [dot.mean], s=30 if at is not None else 14, marker=marker,
                     facecolor="white" if dot.equal else colour, edgecolor=colour,
                     label=None if at is None else _label(dot), zorder=above + 3)  # fmt: skip
    axes.set_xlabel(AXES[cost])
    axes.set_ylabel(title)
    axes.margins(0.08)
    if cost != "latency":
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
