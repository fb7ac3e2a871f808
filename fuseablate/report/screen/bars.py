"""Intervals and strips drawn with characters, readable without colour too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from fuseablate.stats import Delta

STYLES = {
    "better": "green", "worse": "red", "same": "cyan", "unclear": "yellow", "no claim": "dim",
    "no verdict": "red",
}  # fmt: skip
MARKS = {
    "better": "▲", "worse": "▼", "same": "≈", "unclear": "?", "no claim": "·", "no verdict": "!",
}  # fmt: skip
ANY = "whatever the spreads"  # such a verdict has its mark twice
CELLS = 17  # an odd number: zero stands in the middle
BLOCKS = "▁▂▃▄▅▆▇█"


def marked(verdict: str, holds: str) -> str:
    """Return a verdict behind its mark."""
    return f"{MARKS.get(verdict, '') * (2 if holds == ANY else 1)} {verdict}".strip()


def legend(matters: float) -> str:
    """Return what the marks of a table mean."""
    return (
        "▲▲ ▼▼ ≈≈ hold whatever the spreads of the variants, ▲ ▼ ≈ if they are alike; ≈ same: "
        f"within plus or minus {matters:g} point{'s' * (matters != 1)}."
    )


def reach_of(deltas: Sequence[Delta]) -> float:
    """Return how far from zero the widest interval of a table reaches."""
    ends = [abs(end) for d in deltas for end in (d.low, d.high, d.mean) if end is not None]
    return max(ends, default=0.0) or 1.0


def interval(delta: Delta, reach: float) -> Text:
    """Return the interval as a bar around zero: ┆ is zero, ● the mean, ━ the interval."""
    cells = [" "] * CELLS

    def place(value: float) -> int:
        return round((value / reach + 1) / 2 * (CELLS - 1))

    if delta.mean is None:
        return Text("")
    if delta.low is not None and delta.high is not None:
        for at in range(place(delta.low), place(delta.high) + 1):
            cells[at] = "━"
    cells[CELLS // 2] = "┆"
    cells[place(delta.mean)] = "●"
    return Text("".join(cells), style=STYLES[delta.verdict])


def strip(losses: Mapping[str, float | None]) -> list[Text]:
    """Return two lines: ids, and below each a block as high as what it loses.

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
