"""Text that goes out: each kind of output parses, holds no control character, and says the same."""

from __future__ import annotations

import csv
import io
import json
import re
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from fuseablate.io import escaping
from fuseablate.io.terminal import Screen
from fuseablate.tracking.names import job_type
from tests.helpers.hostile import HOSTILE, MARKDOWN, Page, inline, no_control

MARKS = "=+-@|`*_[](){}<>&#$%~^\\\"'/:;!?., \n\t01é语😀"
TEXTS = st.one_of(
    st.text(st.one_of(st.sampled_from(MARKS + HOSTILE), st.characters()), max_size=30),
    st.sampled_from([HOSTILE, "[/b]", "[on/off]", ":x:", "a\\|b", "- a", "1. a", "&amp;", "```"]),
)
# What names, titles and edits are made of, in any language; spaces only between others.
ORDINARY = st.lists(
    st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8), max_size=5
).map(" ".join)


@given(TEXTS)
def test_plain_text_is_a_line_as_long_as_it_was(text: str) -> None:
    line = escaping.plain(text)
    no_control(line)
    assert len(line) == len(text)
    assert escaping.plain(line) == line
    assert len(line.splitlines()) <= 1


@given(ORDINARY)
def test_ordinary_text_is_unchanged(text: str) -> None:
    for function in (escaping.plain, escaping.html, escaping.markdown, escaping.latex,
                    escaping.csv_cell, escaping.masked, escaping.data):  # fmt: skip
        assert function(text) == text
    assert escaping.markdown_code(text) == (f"`{text}`" if text else "<code></code>")


@given(TEXTS)
def test_html_and_xml_hold_the_text_in_elements_and_attributes(text: str) -> None:
    written = f'<p title="{escaping.html(text)}">{escaping.html(text)}</p>'
    no_control(written)
    page = Page(written)
    assert ("".join(page.texts), page.values, page.tags) == (
        escaping.plain(text), [escaping.plain(text)], ["p"])  # fmt: skip
    element = ElementTree.fromstring(written)
    assert (element.text or "", element.get("title")) == (
        escaping.plain(text), escaping.plain(text))  # fmt: skip


@given(TEXTS)
@example("- a")
@example("1) a")
@example("    code")
@example("a\\")
@example("<?>")
def test_markdown_says_the_text_in_headings_paragraphs_and_cells(text: str) -> None:
    written, said = escaping.markdown(text), escaping.plain(text).strip()
    no_control(written)
    assert inline(f"### {written}") == [("h3", said)]
    assert inline(written) == ([("p", said)] if said else [])
    row = f"| {written} | {escaping.markdown_code(text)} | end |"
    cells = [
        content for tag, content in inline(f"| a | b | c |\n|---|--:|---|\n{row}") if tag == "td"
    ]
    assert len(cells) == 3
    assert cells[0] == said
    assert cells[2] == "end"
    assert cells[1].strip() in (said, f"<code>{escaping.plain(text)}</code>")


@pytest.mark.parametrize("text", ["all.se=false", "a|b", "a`b", "a\\|b", "`", "<b>", "[x](y)"])
def test_code_in_a_cell_says_the_text(text: str) -> None:
    written = escaping.markdown_code(text)
    assert "\\\\|" not in written  # some read it as a backslash and the end of the cell
    page = MARKDOWN.render(f"| a | b |\n|---|---|\n| {written} | end |")
    assert [said for said in Page(page).texts if said.strip()] == ["a", "b", text, "end"]
    assert Page(page).tags.count("code") == 1


NUMBERS = st.one_of(st.integers(), st.floats(allow_nan=False))


@given(st.lists(st.one_of(TEXTS, NUMBERS, st.none()), min_size=2))
@example(["=1+1", -4.93, "-4.93", "+1e-3", "@x", "\t=1", None, "-x", " =x", "\r=x"])
def test_csv_holds_numbers_as_they_are_and_nothing_that_is_computed(
    values: list[str | float | None],
) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(map(escaping.csv_cell, values))
    no_control(out.getvalue(), but="\n")
    (cells,) = csv.reader(io.StringIO(out.getvalue()))
    assert len(cells) == len(values)
    for value, cell in zip(values, cells, strict=True):
        if isinstance(value, str):
            assert cell.removeprefix("'").endswith(escaping.plain(value).removeprefix("'"))
            if cell.lstrip()[:1] in tuple("=+-@"):
                float(cell)
        else:
            assert cell == ("" if value is None else str(value))


# What LaTeX sets for each command, by its own documentation.
COMMANDS = {
    r"\textbackslash{}": "\\", r"\textasciitilde{}": "~", r"\textasciicircum{}": "^",
    r"\textless{}": "<", r"\textgreater{}": ">", r"\textbar{}": "|", r"$\pm$": "±",
    "$-$": "\u2212", **{f"\\{mark}": mark for mark in "{}$&#%_"}, "{}": "",
}  # fmt: skip
COMMAND = re.compile("|".join(map(re.escape, COMMANDS)))


@given(TEXTS)
@example("~^<>|\\{}$&#%_±\u2212---")
def test_latex_says_the_text_and_has_no_other_character_that_is_special(text: str) -> None:
    written = escaping.latex(text)
    no_control(written)
    assert not set(COMMAND.sub("", written)) & set("\\{}$&#%_~^<>|")
    assert not written.startswith(("[", "*"))
    assert "--" not in written  # which would be a dash
    said = COMMAND.sub(lambda command: COMMANDS[command[0]], written)
    assert said == escaping.plain(text).replace(escaping.REPLACEMENT, "?")


@given(TEXTS)
def test_json_reads_back_as_it_was(text: str) -> None:
    written = escaping.data(json.dumps(text, ensure_ascii=False))
    no_control(written)
    assert json.loads(written) == text


UNICODE = st.text(st.characters(exclude_categories=["Cs"]))  # TOML has no surrogates
PLAIN = st.one_of(UNICODE, st.booleans(), st.integers(), st.floats(allow_nan=False))
KEYS = st.text("abz_-09", min_size=1)


@given(st.recursive(PLAIN, lambda values: st.lists(values) | st.dictionaries(KEYS, values)))
@example(['\x7f\n"\\', {}, [], {"a": {"b-0": True}}])
@settings(max_examples=50, deadline=None)
def test_toml_reads_back_as_it_was_from_one_line(value: object) -> None:
    written = escaping.toml(value)
    no_control(written)
    assert tomllib.loads(f"a = {written}") == {"a": value}


@given(TEXTS, st.integers(20, 80))
@settings(deadline=None)
def test_a_terminal_is_not_steered_and_reads_no_markup(text: str, width: int) -> None:
    out = Screen(file=io.StringIO(), width=width)
    table = Table(title=text, box=None)
    table.add_column(text)
    table.add_row(text)
    table.add_row(Text(text, style="bold"))
    for printed in (text, Text.assemble((text, "red"), text), table):
        out.print(printed)
    assert isinstance(out.file, io.StringIO)
    no_control(out.file.getvalue(), but="\n")


@pytest.mark.parametrize("text", ["Kernel [/b] size", "[on/off]", ":x: [bold]", "[link=http://x]"])
def test_what_looks_like_markup_is_shown(text: str) -> None:
    out = Screen(file=io.StringIO(), width=80)
    out.print(text)
    out.print(Text(text))
    assert isinstance(out.file, io.StringIO)
    assert out.file.getvalue() == f"{text}\n{text}\n"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+psycopg://u:p@h:5432/d", "postgresql+psycopg://u:***@h:5432/d"),
        ("postgresql://u:a@b:c/d@h/d", "postgresql://u:***@h/d"),
        ("postgresql://h/d?user=u&password=p&x=1", "postgresql://h/d?user=u&password=***&x=1"),
        ("mysql://u:p@h/d?sslkey=a&PWD=b", "mysql://u:***@h/d?sslkey=***&PWD=***"),
        ("postgresql://u@h:5432/d", "postgresql://u@h:5432/d"),
        ("sqlite:///a/b.db", "sqlite:///a/b.db"),
    ],
)
def test_a_url_is_shown_without_its_passwords(url: str, shown: str) -> None:
    assert escaping.masked(url) == shown


def test_names_of_w_and_b_hold_no_control_character() -> None:
    no_control(job_type(HOSTILE))


def test_nobody_goes_around_the_boundary() -> None:
    """Styles are `Text`, consoles are `Screen`s, and one module knows how to escape."""
    package = Path(escaping.__file__).parents[1]
    around = re.compile(
        r"\[/\]|\[/?(?:bold|dim|red|green|yellow|cyan)\b[^\]]*\]|rich\.markup|\bConsole\(\)"
        r"|from html import|html\.escape|from xml|rich import print|out = Console\("
    )
    for path in package.rglob("*.py"):
        if path.name != "escaping.py":
            assert not around.findall(path.read_text()), path
