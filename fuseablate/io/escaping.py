"""Text that goes out: names, titles, paths and messages, made fit for each kind of output.

They come from files that anybody may have written. So each writer passes what it did not write
itself through the function of its kind; a terminal does so by itself (`fuseablate.io.terminal`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape

# Breaks of lines and columns, which become a space each.
_BREAK = "\t\n\v\f\r\x85\u2028\u2029"
# What steers a terminal (ESC and the like, C1), turns the direction of what follows (bidi
# overrides and isolates), is no character of XML, or cannot be written as UTF-8 at all.
_CONTROL = re.compile(
    f"[{_BREAK}\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
REPLACEMENT = "\ufffd"  # Unicode's own mark for what cannot be shown


def plain(text: str) -> str:
    """Return `text` as one line without control characters, as long as it was."""
    return _CONTROL.sub(lambda match: " " if match[0] in _BREAK else REPLACEMENT, text)


LONGEST_LINE = 1000  # characters of a line


def message(text: str) -> str:
    """Return an error or a warning as one line, without the middle of a very long value in it."""
    line = " ".join(plain(text).split())
    half = LONGEST_LINE // 2
    return line if len(line) <= LONGEST_LINE else f"{line[:half]} [...] {line[-half:]}"


# The passwords of a URL: that of its user, which ends at the last @, and those of its query.
SECRET = re.compile(
    r"(?<=//)(?:[^:@/?#\s]*):(\S*)@|(?<=[?&])[^=&]*(?:pass|pwd|secret|token|key)[^=&]*=([^&\s]*)",
    re.IGNORECASE | re.DOTALL,
)


def masked(url: str) -> str:
    """Return a URL, or a text that may hold one, with asterisks in place of passwords."""

    def starred(match: re.Match[str]) -> str:
        at = 1 if match[1] is not None else 2
        return match[0][: match.start(at) - match.start()] + "***" + "@" * (at == 1)

    return SECRET.sub(starred, url)


def data(text: str) -> str:
    """Return JSON or TOML with its control characters as escapes, which read back as they were."""
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def toml(value: object) -> str:
    """Return a value as TOML has it, on one line: a text, a number, a list, an inline table."""
    if isinstance(value, str | bool):
        # JSON's texts are TOML's as well, but for a bare DEL.
        return data(json.dumps(value, ensure_ascii=False))
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{key} = {toml(entry)}" for key, entry in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    return str(value)


def html(text: str) -> str:
    """Return `text` for HTML, XML (SVG) or a label of Graphviz's, also within quotation marks."""
    return escape(plain(text))


_MARKDOWN = re.compile(
    r"[\\`*_\[\]<>|#$~]"
    r"|&(?=#?\w+;)"  # what would be an entity
    r"|^[-+](?=[-\s]|$)|^\d+(?=[.)])"  # what would begin a list, or rule a line
)


def markdown(text: str) -> str:
    """Return `text` for Markdown: a heading, a paragraph or a cell of a table."""
    return _MARKDOWN.sub(_escaped, plain(text).strip())


def _escaped(match: re.Match[str]) -> str:
    text = match[0]
    return f"{text}\\" if text[0].isdecimal() else f"\\{text}"


def markdown_code(text: str) -> str:
    """Return `text` as code in a cell of a Markdown table.

    Code has no escapes but that of the cell's bar, so a text which these cannot write stands
    there as HTML, in entities.
    """
    line = plain(text)
    if not line.strip() or "`" in line or ("\\" in line and "|" in line):
        return f"<code>{re.sub('[^ a-zA-Z0-9]', lambda match: f'&#{ord(match[0])};', line)}</code>"
    bars = line.replace("|", r"\|")
    return f"`{bars}`"


_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_COMPUTED = tuple("=+-@\uff1d\uff0b\uff0d\uff20")  # a spreadsheet knows the wide ones as well


def csv_cell(value: object) -> object:
    """Return a value for a cell of CSV; a number stays one, and nothing is None.

    A text that a spreadsheet would compute has an apostrophe put before it.
    """
    if not isinstance(value, str):
        return "" if value is None else value
    line = plain(value)
    computed = line.lstrip().startswith(_COMPUTED)
    return f"'{line}" if computed and not _NUMBER.fullmatch(line) else line


_LATEX = str.maketrans({
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "±": r"$\pm$", "\u2212": "$-$", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", REPLACEMENT: "?",
})  # fmt: skip


def latex(text: str) -> str:
    """Return `text` for LaTeX, in UTF-8."""
    line = re.sub("-(?=-)", "-{}", plain(text).translate(_LATEX))  # no dash
    # At the start of a row these two would belong to the \\ that ends the one before.
    return f"{{}}{line}" if line.startswith(("[", "*")) else line
