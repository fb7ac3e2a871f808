"""The Pareto front of accuracy against a cost, and a scatter plot of characters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_lowercase

from rich.text import Text

from fuseablate.io.terminal import short

HEIGHT = 12
LEFT = 7  # columns of the vertical axis
COSTS = {"macs": "MACs", "params": "params", "latency": "ms"}


@dataclass(frozen=True)
class Point:
    """A variant as the plot has it: its key, its name, what it costs, its score in percent.

    diverged: how many of its runs did, in words; it is on no front then.
    """

    key: str
    name: str
    cost: float
    score: float
    diverged: str = ""


def front(points: Sequence[Point]) -> set[str]:
    """Return the keys of those that no other one beats in one of the two and equals in both."""
    whole = [point for point in points if not point.diverged]
    return {
        one.key
        for one in whole
        if not any(
            other.cost <= one.cost
            and other.score >= one.score
            and (other.cost, other.score) != (one.cost, one.score)
            for other in whole
        )
    }


def scatter(points: Sequence[Point], cost: str, title: str, width: int) -> list[Text]:
    """Return the plot's lines and its legend: capitals are on the front, the first is `A`."""
    best = front(points)
    letters = {
        point.key: letter.upper() if point.key in best else letter
        for letter, point in zip(ascii_lowercase, points, strict=False)
    }
    columns = min(width, 100) - LEFT - 2
    across, up = _Scale([p.cost for p in points]), _Scale([p.score for p in points])
    grid = [[" "] * columns for _ in range(HEIGHT)]
    for point in reversed(points):
        row = HEIGHT - 1 - round(up.share(point.score) * (HEIGHT - 1))
        column = round(across.share(point.cost) * (columns - 1))
        grid[row][column] = letters.get(point.key, "+")
    lines = [Text(f"{title} (%) against {COSTS[cost]}", style="bold")]
    for number, row_cells in enumerate(grid):
        value = up.high - number * (up.high - up.low) / (HEIGHT - 1)
        label = f"{value:.1f}" if number % 3 == 0 or number == HEIGHT - 1 else ""
        line = Text(f"{label:>{LEFT - 1}} ┤")
        for cell in row_cells:
            line.append(cell, style="bold green" if cell.isupper() else "red")
        lines.append(line)
    lines.append(Text(f"{'':{LEFT}}└{'─' * columns}"))
    low, high = _cost_text(across.low, cost), _cost_text(across.high, cost)
    lines.append(Text(f"{'':{LEFT + 1}}{low}{high:>{columns - len(low)}}"))
    said = ", ".join(
        f"{letters[p.key]} {p.name}{f' ({p.diverged})' if p.diverged else ''}"
        for p in points
        if p.key in letters
    )
    lines.append(Text(f"{said}. Capitals: the Pareto front.", style="dim"))
    return lines


class _Scale:
    """An axis a little longer than its values."""

    def __init__(self, values: Sequence[float]) -> None:
        low, high = min(values), max(values)
        margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
        self.low, self.high = low - margin, high + margin

    def share(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)


def _cost_text(value: float, cost: str) -> str:
    return f"{value:.2f} ms" if cost == "latency" else f"{short(max(value, 0))} {COSTS[cost]}"
