"""Text that steers terminals and breaks documents, and what reads what is made of it."""

from __future__ import annotations

import unicodedata
from html.parser import HTMLParser
from itertools import pairwise

from markdown_it import MarkdownIt

HOSTILE = (
    "\x1b[31m\x9b2J\a\x1b]8;;http://x\x1b\\ \u202elanoitnevnoc\u2066 \r\n\x00 \udc80\ufffe\x7f\x85"
)
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def no_control(text: str, but: str = "") -> None:
    bad = {c for c in text if unicodedata.category(c) in ("Cc", "Cs") or 0x202A <= ord(c) <= 0x202E
           or 0x2066 <= ord(c) <= 0x2069}  # fmt: skip
    assert not bad - set(but)
    text.encode()


class Page(HTMLParser):
    """The texts, the elements and the attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[str] = []
        self.values: list[str] = []
        self.feed(page)
        self.close()

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.values += [value or "" for _, value in attrs]


def inline(source: str) -> list[tuple[str, str]]:
    """Return what each inline part of Markdown says, with its element."""
    tokens = MARKDOWN.parse(source)
    return [
        (before.tag, "".join(child.content for child in token.children or []))
        for before, token in pairwise(tokens)
        if token.type == "inline"
    ]
