"""The README and the pages of docs/ as what a reader does with them: files, and commands.

A fenced block is, by its language,

- `sh`: commands, a line each (a line that ends in a backslash goes on);
- `console`: commands behind `$ `, each followed by what it prints, in which a line `...` stands for
  any lines;
- `python` without a title: code that is run;
- `text`: what the Python code above it prints;
- any with a title: the file of that name.

A comment directly above a block says what is not as it stands, and why:

    <!-- not run: REASON -->         commands are only parsed, Python compiled
    <!-- output varies: REASON -->   of what is printed only words that begin lines are looked for
    <!-- no file: REASON -->         a part of a file, or one that stands elsewhere
    <!-- needs: PROGRAM -->          commands are run where it is installed
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.paths import REPOSITORY

DOCS = REPOSITORY / "docs"
PAGES = [REPOSITORY / "README.md", *sorted(DOCS.rglob("*.md"))]
MARKS = ("not run", "output varies", "no file", "needs")
FENCE = re.compile(
    r"(?:^ *<!-- (?P<mark>[a-z ]+): (?P<reason>[^\n]+) -->\n)?"
    r"^(?P<indent> *)```(?P<language>\w*)(?: title=\"(?P<title>[^\"\n]+)\")?\n"
    r"(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Command:
    """A line to type, and what it prints, if the page says so."""

    line: str
    printed: str | None = None


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    title: str
    mark: str
    """One of MARKS, or empty."""
    reason: str
    """What stands behind the mark."""
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(REPOSITORY)}:{self.line}"

    def commands(self) -> Iterator[Command]:
        """Yield the commands, in their order."""
        if self.language == "sh":
            for line in self.text.replace("\\\n", " ").splitlines():
                if line.strip() and not line.startswith("#"):
                    yield Command(line)
        elif self.language == "console":
            for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
                line, _, printed = part.partition("\n")
                yield Command(line, printed.rstrip())


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page, in their order."""
    text = page.read_text(encoding="utf-8")
    result = []
    for match in FENCE.finditer(text):
        body = re.sub(rf"^{match['indent']}", "", match["text"], flags=re.MULTILINE)
        line = text.count("\n", 0, match.start("language")) + 1
        mark, reason, title = (match[key] or "" for key in ("mark", "reason", "title"))
        result.append(Block(page, line, match["language"], title, mark, reason, body))
    return result


def differs(expected: str, printed: str, *, varies: bool) -> str:
    """Return the first line that a command should have printed and did not; empty: none.

    Lines are compared by their words, and not by the blanks between them. `...` stands for any
    lines. Where the text varies, each first word without a digit begins a line of what is printed,
    in their order.
    """
    lines = [line.rstrip() for line in printed.rstrip().splitlines()]
    place, skipping, seen = 0, False, {""}
    for wanted in map(str.rstrip, expected.splitlines()):
        if wanted == "...":
            skipping = True
            continue
        if varies:
            word = (wanted.split() or [""])[0]
            if word in seen or re.search(r"\d", word):
                continue
            seen.add(word)

        def equal(line: str, wanted: str = wanted) -> bool:
            count = 1 if varies else None
            return line.split()[:count] == wanted.split()[:count]

        ahead = range(place, len(lines)) if skipping or varies else range(place, place + 1)
        here = next((n for n in ahead if n < len(lines) and equal(lines[n])), None)
        if here is None:
            return wanted or "(an empty line)"
        place, skipping = here + 1, False
    left = not varies and not skipping and place < len(lines)
    return f"nothing, and not: {lines[place]}" if left else ""
