"""Objects that show themselves: by `print`, by rich, and as HTML in a notebook.

What prints such an object on a terminal is what draws it everywhere else.
"""

from __future__ import annotations

import io
import pkgutil
from collections.abc import Iterable
from itertools import groupby
from typing import Any, ClassVar

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.terminal_theme import DEFAULT_TERMINAL_THEME
from rich.text import Text

from fuseablate.io.escaping import html
from fuseablate.io.terminal import Screen, console

NOTEBOOK_WIDTH = 160  # columns: every table in full; a page scrolls
CELL = "padding:0 1.5em 0 0;white-space:pre;background:none;"
MONOSPACE = "font-family:monospace;line-height:1.35;"


class Displayed:
    """An object that a function draws: `class Spec(Displayed, view="module:function")`.

    The function takes the object and a console to print it on. It is named as text, and looked up
    when the object is first shown: what draws a part is written after the part.
    """

    __slots__ = ()  # a tuple that shows itself stays as small as it is

    _view: ClassVar[str]

    def __init_subclass__(cls, *, view: str = "", **options: Any) -> None:
        super().__init_subclass__(**options)
        if view:
            cls._view = view

    def __str__(self) -> str:
        """Return what a terminal of this width shows, without colours."""
        screen = Screen(file=io.StringIO(), width=console().width, color_system=None, record=True)
        self._draw(screen)
        lines = screen.export_text().split("\n")
        return "\n".join(map(str.rstrip, lines)).strip("\n")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        screen = _Collected(options.max_width)
        self._draw(screen)
        for item in screen.items:
            # By the screen itself, which lets no control character of a name or a note through.
            yield from screen.render(item, screen.options)

    def _repr_html_(self) -> str:
        screen = _Collected(NOTEBOOK_WIDTH)
        self._draw(screen)
        return notebook_html(screen.items, screen)

    def _draw(self, screen: Console) -> None:
        pkgutil.resolve_name(self._view)(self, screen)


class _Collected(Screen):
    """A console that keeps what is printed on it."""

    def __init__(self, width: int) -> None:
        super().__init__(file=io.StringIO(), width=width, force_terminal=True, _environ={})
        self.items: list[RenderableType] = []

    def print(self, *objects: Any, style: str | Style | None = None, **options: Any) -> None:
        """Keep the objects; those that lines are broken at are as they were written."""
        for thing in objects or ("",):
            item = self.render_str(thing) if isinstance(thing, str) else thing
            if style and isinstance(item, Text):
                item.stylize_before(style)
            if options.get("no_wrap") and isinstance(item, Text):
                item.no_wrap = True
            self.items.append(item)


def notebook_html(items: Iterable[RenderableType], screen: Screen) -> str:
    """Return what was printed as HTML: tables as tables, all else as lines of text."""
    parts = []
    for is_table, several in groupby(items, lambda item: isinstance(item, Table)):
        if is_table:
            parts += [_table(item, screen) for item in several if isinstance(item, Table)]
        else:
            # A line of text is as long as it is: the page breaks it.
            unbroken = screen.options.update(max_width=100_000)
            lines = "".join(
                _spans(screen.render(item, unbroken if isinstance(item, Text) else screen.options))
                for item in several
            )
            style = f"{MONOSPACE}white-space:pre-wrap;margin:0.5em 0;background:none;"
            if lines.strip():
                parts.append(f'<pre style="{style}">{lines.strip(chr(10))}</pre>')
    return f"<div>{''.join(parts)}</div>"


def _table(table: Table, screen: Screen) -> str:
    heads = [_cell("th", column.header, column.justify, screen) for column in table.columns]
    lines = []
    for row, cells in zip(
        table.rows, zip(*(column.cells for column in table.columns), strict=True), strict=True
    ):
        texts = [
            _cell("td", cell, column.justify, screen, (column.style, row.style or ""))
            for cell, column in zip(cells, table.columns, strict=True)
        ]
        lines.append(f"<tr>{''.join(texts)}</tr>")
    head = f"<thead><tr>{''.join(heads)}</tr></thead>" if table.show_header else ""
    title = f'<caption style="text-align:left">{_inline(table.title, screen)}</caption>'
    return (
        f'<div style="overflow-x:auto"><table style="{MONOSPACE}border-collapse:collapse">'
        f"{title if table.title else ''}{head}<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _cell(
    tag: str,
    cell: RenderableType,
    justify: str,
    screen: Screen,
    styles: Iterable[str | Style] = (),
) -> str:
    side = "right" if justify == "right" else "left"
    css = "".join(f"{_css(screen.get_style(style))};" for style in styles if style)
    return f'<{tag} style="text-align:{side};{CELL}{css}">{_inline(cell, screen)}</{tag}>'


def _inline(cell: RenderableType | None, screen: Screen) -> str:
    options = screen.options.update(max_width=1000, no_wrap=True)
    return _spans(screen.render(cell or "", options)).strip("\n")


def _spans(segments: Iterable[Segment]) -> str:
    parts = []
    for segment in segments:
        text = "\n".join(map(html, segment.text.split("\n")))
        css = _css(segment.style) if segment.style else ""
        parts.append(f'<span style="{css}">{text}</span>' if css and text.strip() else text)
    return "".join(parts)


def _css(style: Style) -> str:
    """Return a style's rules; what is dim is so on a white page and on a black one."""
    rules = style.get_html_style(DEFAULT_TERMINAL_THEME)
    return "opacity:0.65" if style.dim and not style.color else rules
