"""How a running study looks: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from fuseablate.io.escaping import plain
from fuseablate.io.terminal import duration
from fuseablate.runs import RunState, RunStatus, StudyStatus

PLAIN_EVERY = 60.0  # seconds between two lines of overall progress
MARKS: dict[RunState, tuple[str, str]] = {
    "waiting": ("·", "dim"),
    "running": ("▶", "cyan"),
    "done": ("✓", "green"),
    "failed": ("✗", "red"),
    "lost": ("?", "red"),
    "pruned": ("✂", "yellow"),
}


def status_table(board: StudyStatus) -> Group:
    """Return the board: a row for each variant, a cell for each of its seeds."""
    seeds = list(dict.fromkeys(line.seed for line in board.lines))
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("Variant", overflow="fold", min_width=10)
    for seed in seeds:
        table.add_column(f"seed {seed}", no_wrap=True)
    cells: dict[str, dict[int, Text]] = {}
    for line in board.lines:
        cells.setdefault(line.variant, {})[line.seed] = _cell(line)
    for variant, mine in cells.items():
        table.add_row(variant, *(mine.get(seed, Text("")) for seed in seeds))
    done = sum(line.epoch for line in board.lines)
    asked = sum(line.epochs for line in board.lines if line.state not in ("failed", "lost"))
    foot = Table.grid(padding=(0, 2, 0, 0))
    foot.add_row(ProgressBar(total=max(asked, 1), completed=done, width=20), summary(board))
    return Group(Text(f"{board.study}: {board.title}", style="bold"), table, foot)


def _cell(line: RunStatus) -> Text:
    mark, style = MARKS[line.state]
    top1 = f" {line.val_top1:.1%}" if line.val_top1 is not None else ""
    epochs = f" {line.epoch}/{line.epochs}" if line.state == "running" else ""
    return Text(f"{mark}{epochs}{top1}", style=style)


def summary(board: StudyStatus) -> str:
    """Return the counts of all states and the time that is left, as one line."""
    states = [f"{board.count(state)} {state}" for state in MARKS if board.count(state)]
    eta, longest = board.eta(), board.longest()
    left = f", {duration(eta)} left" if eta and not board.ended else ""
    if left and longest and board.possible:
        left += f" (up to {duration(longest)})"
    return f"{', '.join(states)} of {runs_of(board)} runs{left}"


def runs_of(board: StudyStatus) -> str:
    """Return how many runs a study has, and how many it may come to have: `6 (up to 18)`."""
    count = len(board.lines)
    return f"{count} (up to {count + board.possible})" if board.possible else f"{count}"


class LiveView:
    """A table that is drawn anew with every change."""

    def __init__(self, out: Console) -> None:
        self._live = Live(console=out, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def update(self, board: StudyStatus) -> None:
        """Draw the board."""
        self._live.update(status_table(board))

    def say(self, text: str) -> None:
        """Print a line above the table."""
        self._live.console.print(text, soft_wrap=True)


class PlainView:
    """A line for each run that ends, and now and then one for the whole."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is left to clear."""

    def update(self, board: StudyStatus) -> None:
        """Print the summary once a minute."""
        if time.monotonic() - self._said >= PLAIN_EVERY:
            self._said = time.monotonic()
            print(summary(board), flush=True)

    def say(self, text: str) -> None:
        """Print the line."""
        print(plain(text), flush=True)


def suited_view(out: Console) -> LiveView | PlainView:
    """Return the live table where the output is a terminal, plain lines elsewhere."""
    return LiveView(out) if out.is_terminal else PlainView()
