"""How numbers and tables look on a terminal."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from fuseablate.io.escaping import plain

NAME = 14  # columns that the name in a row has at least
INDENT = "  "  # of what stands beneath a name
LINE_EVERY = 5.0  # seconds between two lines of progress where there is no terminal
PIPE_WIDTH = 120  # columns where the output is no terminal: wide enough for every table


class Screen(Console):
    """A console for text of any origin: it reads no markup, and lets no control character out.

    What is to have a style is a `Text`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, soft_wrap=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(_lines(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render anything, a `Text` without control characters."""
        if isinstance(renderable, Text) and _lines(renderable.plain) != renderable.plain:
            renderable = renderable.copy()
            renderable.plain = _lines(renderable.plain)
        return super().render(renderable, options)

    def on_broken_pipe(self) -> None:
        """Let the command line end as where anything else is printed to a reader that left."""
        raise BrokenPipeError


def _lines(text: str) -> str:
    return "\n".join(map(plain, text.split("\n")))


def console(stderr: bool = False) -> Screen:
    """Return a console for stdout (or stderr); COLUMNS sets the width of a pipe."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return Screen(stderr=stderr, width=width)


def bare_table(tight: int = 0, **options: Any) -> Table:
    """Return a table without lines; where it is `tight` (see `fitted`), with less space."""
    return Table(box=None, padding=(0, 1 if tight else 2, 0, 0), pad_edge=False, **options)


def named_table(first: str, tight: int = 0, title: str = "", least: int | None = NAME) -> Table:
    """Return a bare table whose first column is folded where it has no room."""
    table = bare_table(tight, title=title or None, title_justify="left")
    table.add_column(first, overflow="fold", min_width=least)
    return table


@dataclass(frozen=True)
class Named:
    """A cell of a table that names something, and beneath that says what it is.

    Lines are broken at the joints of edits, where there are any: `fuse.` `variant=` `half`.
    """

    name: str
    beneath: str = ""

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> Iterator[Text]:
        yield from (Text(line) for line in _broken(self.name, options.max_width))
        for line in _broken(self.beneath, options.max_width - len(INDENT)) if self.beneath else ():
            yield Text(f"{INDENT}{line}", style="dim")

    def __rich_measure__(self, _: Console, options: ConsoleOptions) -> Measurement:
        most = max(cell_len(self.name), len(INDENT) + cell_len(self.beneath))
        return Measurement(min(NAME, most), most).with_maximum(options.max_width)


def _broken(text: str, width: int) -> Iterator[str]:
    """Return a text in lines; what is longer than a line is left to be folded anywhere."""
    line = ""
    for word in plain(text).split(" "):
        if line and cell_len(f"{line} {word}") <= width:
            line += f" {word}"
            continue
        if line:
            yield line
        line = ""
        for part in re.split(r"(?<=[.=,;:_-])(?<!\d\.)", word):
            if line and cell_len(line + part) > width:
                yield line
                line = ""
            line += part
    yield line


def fits(table: Table, out: Console) -> bool:
    """Return whether a table needs no more than the width, its names folded."""
    names = [column for column in table.columns if column.overflow == "fold"]
    for column in names:
        column.max_width = NAME
    needed = Measurement.get(out, out.options.update(width=1000), table).maximum
    for column in names:
        column.max_width = None
    return needed <= out.width


def print_whole(table: Table, out: Console) -> None:
    """Print a table as wide as it is: a narrower terminal breaks its lines, and cuts no number."""
    table.width = out.measure(table, options=out.options.update(max_width=1000)).maximum
    out.print(table, crop=False)


def fitted(
    make: Callable[[Sequence[str], int], Table],
    columns: Sequence[str],
    spare: Sequence[str],
    out: Console,
) -> tuple[Table, list[str]]:
    """Return the widest table that fits, and which of its columns it leaves out.

    make: returns the table of some columns; its second argument is 0 where there is room, 1 for
    less space between columns, and 2 where the cells too are to be short. spare: the columns that
    can be missed, the first the most.
    """
    for tight in range(3):
        if fits(table := make(columns, tight), out):
            return table, []
    left: list[str] = []
    for name in spare:
        if name in columns:
            left.append(name)
            table = make([column for column in columns if column not in left], 2)
            if fits(table, out):
                break
    return table, left


def short(number: float) -> str:
    """Return a count with three digits and a unit: 3.28M, 464, 5.1k."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= 0.9995 * limit:  # what rounds to 1000k is 1.00M
            value = number / limit
            digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
            return f"{value:.{digits}f}{unit}"
    return f"{number:.0f}"


def size_text(shape: tuple[int, ...]) -> str:
    """Return a shape (C, H, W) as the tables of the field write it: HxWxC."""
    return "x".join(map(str, (*shape[1:], shape[0])))


def counted(count: int, noun: str, plural: str = "") -> str:
    """Write a number of things: `1 epoch`, `20 epochs`."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


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
