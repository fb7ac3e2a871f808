"""How a running study looks: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from fuseablate.io.escaping import plain
from fuseablate.io.terminal import bare_table, duration
from fuseablate.runs import RunState, RunStatus, StudyStatus

PLAIN_EVERY = 60.0  # seconds between two lines of overall progress
STATE_MARKS: dict[RunState, tuple[str, str]] = {
    "waiting": ("·", "dim"),
    "running": ("▶", "cyan"),
    "done": ("✓", "green"),
    "failed": ("✗", "red"),
    "lost": ("?", "red"),
    "pruned": ("✂", "yellow"),
}


def status_table(status: StudyStatus) -> Group:
    """Return a table with a row for each variant and a column for each seed, and their summary."""
    seeds = sorted({run.seed for run in status.lines})
    table = bare_table()
    table.add_column("Variant", overflow="fold", min_width=10)
    for seed in seeds:
        table.add_column(f"seed {seed}", no_wrap=True)
    by_variant: dict[str, dict[int, Text]] = {}
    for run in status.lines:
        by_variant.setdefault(run.variant, {})[run.seed] = _run_text(run)
    for variant, by_seed in by_variant.items():
        table.add_row(variant, *(by_seed.get(seed, Text("")) for seed in seeds))
    done = sum(run.epoch for run in status.lines)
    asked = sum(run.epochs for run in status.lines if run.state not in ("failed", "lost"))
    foot = Table.grid(padding=(0, 2, 0, 0))
    foot.add_row(ProgressBar(total=max(asked, 1), completed=done, width=20), state_counts(status))
    return Group(Text(f"{status.study}: {status.title}", style="bold"), table, foot)


def _run_text(run: RunStatus) -> Text:
    mark, style = STATE_MARKS[run.state]
    top1 = f" {run.val_top1:.1%}" if run.val_top1 is not None else ""
    epochs = f" {run.epoch}/{run.epochs}" if run.state == "running" else ""
    return Text(f"{mark}{epochs}{top1}", style=style)


def state_counts(status: StudyStatus) -> str:
    """Return the counts of all states and the time that is left, as one line."""
    states = [f"{status.count(state)} {state}" for state in STATE_MARKS if status.count(state)]
    eta, longest = status.eta(), status.longest()
    left = f", {duration(eta)} left" if eta and not status.ended else ""
    if left and longest and status.possible:
        left += f" (up to {duration(longest)})"
    return f"{', '.join(states)} of {runs_of(len(status.lines), status.possible)} runs{left}"


def runs_of(count: int, possible: int) -> str:
    """Return how many runs a study has, and how many it may come to have: `6 (up to 18)`."""
    return f"{count} (up to {count + possible})" if possible else f"{count}"


class LiveView:
    """A table that is drawn anew with every change."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def update(self, status: StudyStatus) -> None:
        self._live.update(status_table(status))

    def say(self, text: str) -> None:
        self._live.console.print(text, soft_wrap=True)


class PlainView:
    """A line for each run that ends, and now and then one for the whole."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def update(self, status: StudyStatus) -> None:
        """Print the counts of the states once a minute."""
        if time.monotonic() - self._said >= PLAIN_EVERY:
            self._said = time.monotonic()
            print(state_counts(status), flush=True)

    def say(self, text: str) -> None:
        print(plain(text), flush=True)


class SilentView:
    """Shows nothing; what must be said goes to the standard error."""

    def update(self, status: StudyStatus) -> None: ...

    def say(self, text: str) -> None:
        print(plain(text), file=sys.stderr, flush=True)


@contextmanager
def suited_view(
    out: Console, *, quiet: bool = False
) -> Iterator[LiveView | PlainView | SilentView]:
    """Show a live table where the output is a terminal, plain lines elsewhere, or nothing."""
    if quiet:
        yield SilentView()
        return
    if not out.is_terminal:
        yield PlainView()
        return
    with Live(console=out, refresh_per_second=4, transient=True) as live:
        yield LiveView(live)
