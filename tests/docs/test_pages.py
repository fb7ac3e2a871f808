"""What the README and the pages say is done as a reader would do it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.pages import DOCS, MARKS, PAGES, blocks, differs
from tests.helpers.paths import REPOSITORY
from tests.helpers.programs import Needs
from tests.helpers.reader import reader

TUTORIALS = sorted((DOCS / "tutorials").glob("*.md"))
# Its op is for processes of its own, each of which imports torch; tests/plugins has it in short.
LONG = "own-op.md"
OTHERS = [page for page in PAGES if page not in TUTORIALS and any(blocks(page))]


def name(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


@pytest.mark.parametrize("page", OTHERS, ids=name)
def test_a_page_does_what_it_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, needs: Needs
) -> None:
    reader(tmp_path, monkeypatch, needs).read(page)


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=pytest.mark.slow if page.name == LONG else ()) for page in TUTORIALS],
    ids=name,
)
def test_a_tutorial_does_what_it_says_on_fewer_images(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, needs: Needs
) -> None:
    reader(tmp_path, monkeypatch, needs).read(page)


@pytest.mark.slow
@pytest.mark.parametrize("page", TUTORIALS, ids=name)
def test_a_tutorial_word_for_word(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, needs: Needs
) -> None:
    reader(tmp_path, monkeypatch, needs, small=False).read(page)


def test_no_block_goes_unread() -> None:
    """A fence that the reader does not see is not checked; nor is one with a mark misspelt."""
    for page in PAGES:
        seen = blocks(page)
        fences = [line for line in page.read_text().splitlines() if line.lstrip().startswith("```")]
        assert len(fences) == 2 * len(seen), page
        assert {block.mark for block in seen} <= {*MARKS, ""}, page
        for block in seen:  # what shows a command is a block of commands
            assert block.language or "fuseablate " not in block.text, block.place


@pytest.mark.parametrize(
    ("expected", "printed", "varies", "wanted"),
    [
        ("a 1\nb 2", "a 1  \nb 2\n", False, ""),
        ("a 1\nb 2", "a 1\nb 3", False, "b 2"),
        ("a 1", "a 1\nb 2", False, "nothing, and not: b 2"),
        ("a 1\n...\nc", "a 1\nb\nb\nc", False, ""),
        ("...\nc", "a\nc\nd", False, "nothing, and not: d"),
        ("a 1\nb", "a 2\n\nx\nb", True, ""),
        ("a 1\nb", "b\na", True, "b"),
        ("a 1\na 2\n3 b\n\nc", "a 4\nc", True, ""),
    ],
)
def test_how_output_is_compared(expected: str, printed: str, varies: bool, wanted: str) -> None:
    assert differs(expected, printed, varies=varies) == wanted
