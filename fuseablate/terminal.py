"""How numbers and tables look on a terminal."""

from __future__ import annotations

import os
import sys

from rich.console import Console

PIPE_WIDTH = 120  # columns where the output is no terminal: wide enough for every table


def console(stderr: bool = False) -> Console:
    """Return a console for stdout (or stderr); COLUMNS sets the width of a pipe."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return Console(stderr=stderr, width=width, highlight=False, soft_wrap=False)


def short(number: float) -> str:
    """Return a count with three digits and a unit: 3.28M, 464, 5.1k."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= limit:
            value = number / limit
            digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
            return f"{value:.{digits}f}{unit}"
    return f"{number:.0f}"


def size_text(shape: tuple[int, ...]) -> str:
    """Return a shape (C, H, W) as the tables of the field write it: HxWxC."""
    return "x".join(map(str, (*shape[1:], shape[0])))


def change(after: float, before: float) -> str:
    """Return a relative change in percent, or nothing where there is none."""
    if after == before:
        return "="
    if before == 0:
        return "new"
    return f"{100 * (after / before - 1):+.1f} %"


def duration(seconds: float) -> str:
    """Return a time as people read it: 42s, 3m20s, 1h02m."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02}m"
