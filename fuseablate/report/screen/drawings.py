"""Drawings of characters, readable without colour too: intervals, strips, sparklines, a scatter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_lowercase
from typing import TYPE_CHECKING

from rich.text import Text

from fuseablate.cost import CostKind
from fuseablate.report.analysis import front_of
from fuseablate.report.differences import AnalysedVariant
from fuseablate.report.marks import LEAST_SPAN

if TYPE_CHECKING:
    from fuseablate.stats import Delta

STYLES = {
    "better": "green", "worse": "red", "same": "cyan", "unclear": "yellow", "no claim": "dim",
    "no verdict": "red",
}  # fmt: skip
BAR = 17  # characters; an odd number: zero stands in the middle
BLOCKS = "▁▂▃▄▅▆▇█"
STEPS = 40  # blocks of a sparkline
HEIGHT = 12  # lines of the scatter plot
LEFT = 7  # characters of its vertical axis
LEAST_WIDE = 12  # characters of its horizontal axis; on a narrower screen it is cut off


def interval_bar(delta: Delta, reach: float) -> Text:
    """Return the interval as a bar around zero: ┆ is zero, ● the mean, ━ the interval."""
    bar = [" "] * BAR

    def place(value: float) -> int:
        return round((value / reach + 1) / 2 * (BAR - 1))

    if delta.mean is None:
        return Text("")
    if delta.low is not None and delta.high is not None:
        for at in range(place(delta.low), place(delta.high) + 1):
            bar[at] = "━"
    bar[BAR // 2] = "┆"
    bar[place(delta.mean)] = "●"
    return Text("".join(bar), style=STYLES[delta.verdict])


def strip(losses: Mapping[str, float | None]) -> list[Text]:
    """Return two lines: ids of rows, and below each a block as high as what it loses.

    None is a row that the study leaves out; a row that gains has a minus sign in its block's
    place.
    """
    most = max((loss for loss in losses.values() if loss is not None), default=0.0)
    above, below = Text(), Text()
    for id, loss in losses.items():
        width = max(len(id), 2) + 1
        if loss is None:
            mark, style = "·", "dim"
        elif loss <= 0:
            mark, style = "-", "green"
        else:
            mark, style = BLOCKS[min(7, int(8 * loss / most))], "red"
        above.append(id.ljust(width))
        below.append((mark * min(2, len(id) + 1)).ljust(width), style=style)
    return [above, below]


def sparkline(
    values: Sequence[float],
    low: float | None = None,
    high: float | None = None,
    digits: int = 3,
    width: int = 80,
) -> str:
    """Return at most `STEPS` blocks, with the least and the greatest value named, in `width`.

    The lowest block stands for `low`, the highest for `high`; usually those two values.
    """
    least, most = (f"{end(values):.{digits}f}" for end in (min, max))
    room = max(1, min(STEPS, width - len(f"{least}  {most}")))
    step = max(1, -(-len(values) // room))
    shown = [*values[step - 1 :: step]]
    if len(values) % step:
        shown.append(values[-1])
    floor, top = min(values) if low is None else low, max(values) if high is None else high
    span = (top - floor) or 1.0
    blocks = "".join(BLOCKS[min(7, int(8 * (value - floor) / span))] for value in shown)
    return f"{least} {blocks} {most}"


def scatter(
    variants: Sequence[AnalysedVariant], cost: CostKind, title: str, width: int
) -> list[Text]:
    """Return the plot's lines and its legend: capitals are on the front, the first is `A`.

    The variants have a score and the cost. Where letters are too few, the front has them first.
    """
    points = [
        (row.variant, row.variant.cost(cost.name) or 0.0, row.mean or 0.0) for row in variants
    ]
    front = front_of(variants, cost)
    named = [variant for variant, _, _ in points]
    if len(named) > len(ascii_lowercase):
        named[1:] = sorted(named[1:], key=lambda variant: variant.key not in front)
    letters = {
        variant.key: letter.upper() if variant.key in front else letter
        for letter, variant in zip(ascii_lowercase, named, strict=False)
    }
    columns = max(min(width, 100) - LEFT - 2, LEAST_WIDE)
    across = _Scale([value for _, value, _ in points], LEAST_SPAN)
    up = _Scale([mean for *_, mean in points])
    grid = [[" "] * columns for _ in range(HEIGHT)]
    for variant, value, mean in reversed(points):
        line = HEIGHT - 1 - round(up.share(mean) * (HEIGHT - 1))
        grid[line][round(across.share(value) * (columns - 1))] = letters.get(variant.key, "+")
    lines = [Text(f"{title} (%) against {cost.unit}", style="bold")]
    for number, marks in enumerate(grid):
        value = up.high - number * (up.high - up.low) / (HEIGHT - 1)
        label = f"{value:.1f}" if number % 3 == 0 or number == HEIGHT - 1 else ""
        text = Text(f"{label:>{LEFT - 1}} ┤")
        for mark in marks:
            text.append(mark, style="bold green" if mark.isupper() else "red")
        lines.append(text)
    lines.append(Text(f"{'':{LEFT}}└{'─' * columns}"))
    low, high = (cost.counted(max(end, 0)) for end in (across.low, across.high))
    room = max(columns - len(low), len(high) + 1)
    lines.append(Text(f"{'':{LEFT + 1}}{low}{high:>{room}}"))
    legend = ", ".join(
        f"{letters[variant.key]} {variant.name}"
        f"{f' ({variant.diverged})' if variant.diverged else ''}"
        for variant, _, _ in points
        if variant.key in letters
    )
    lines.append(Text(f"{legend}. Capitals: the Pareto front.", style="dim"))
    return lines


class _Scale:
    """An axis a little longer than its values; `least` is a share of the largest."""

    def __init__(self, values: Sequence[float], least: float = 0) -> None:
        low, high = min(values), max(values)
        short_of = least * abs(high) - (high - low)
        margin = max(0.05 * (high - low), short_of / 2) or 0.05 * abs(high) or 1.0
        self.low, self.high = low - margin, high + margin

    def share(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)
