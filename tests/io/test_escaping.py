"""Text that goes out: each kind of output parses, holds no control character, and says the same."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
import subprocess
import tomllib
import unicodedata
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.table import Table
from rich.text import Text

from fuseablate.commands.program import main
from fuseablate.io import escaping
from fuseablate.io.terminal import Screen
from fuseablate.report import Comparison, ReportOptions, analyse
from fuseablate.report.files import WRITERS
from fuseablate.report.files.plot import draw_plot
from fuseablate.report.screen import print_report
from fuseablate.runs.status import StudyStatus
from fuseablate.runs.store import Store
from fuseablate.tracking.names import job_type
from tests.helpers.comparisons import BASE, LEAN, STUDIES, comparison, planned, written
from tests.helpers.comparisons import study as study_of
from tests.helpers.programs import Needs

HOSTILE = (
    "\x1b[31m\x9b2J\a\x1b]8;;http://x\x1b\\ \u202elanoitnevnoc\u2066 \r\n\x00 \udc80\ufffe\x7f\x85"
)
MARKS = "=+-@|`*_[](){}<>&#$%~^\\\"'/:;!?., \n\t01é语😀"
TEXTS = st.one_of(
    st.text(st.one_of(st.sampled_from(MARKS + HOSTILE), st.characters()), max_size=30),
    st.sampled_from([HOSTILE, "[/b]", "[on/off]", ":x:", "a\\|b", "- a", "1. a", "&amp;", "```"]),
)
# What names, titles and edits are made of, in any language; spaces only between others.
ORDINARY = st.lists(
    st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8), max_size=5
).map(" ".join)


def no_control(text: str, but: str = "") -> None:
    bad = {c for c in text if unicodedata.category(c) in ("Cc", "Cs") or 0x202A <= ord(c) <= 0x202E
           or 0x2066 <= ord(c) <= 0x2069}  # fmt: skip
    assert not bad - set(but)
    text.encode()


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


MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def inline(source: str) -> list[tuple[str, str]]:
    """Return what each inline part of Markdown says, with its element."""
    tokens = MARKDOWN.parse(source)
    return [
        (before.tag, "".join(child.content for child in token.children or []))
        for before, token in pairwise(tokens)
        if token.type == "inline"
    ]


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
    page = MARKDOWN.render(f"| a | b |\n|---|---|\n| {escaping.markdown_code(text)} | end |")
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


COMMANDS = re.compile(r"\\text[a-z]+\{\}|\\[{}$&#%_]|\$(?:\\pm|-)\$|\{\}")


@given(TEXTS)
def test_latex_has_no_character_that_is_special(text: str) -> None:
    written = escaping.latex(text)
    no_control(written)
    assert not set(COMMANDS.sub("", written)) & set("\\{}$&#%_~^<>|")
    assert not written.startswith(("[", "*"))


@given(TEXTS)
def test_json_and_toml_read_back_as_they_were(text: str) -> None:
    written = escaping.data(json.dumps(text, ensure_ascii=False))
    no_control(written)
    assert json.loads(written) == text
    if text.isprintable():
        assert tomllib.loads(f"a = {written}") == {"a": text}


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


def odd() -> Comparison:
    """Return a study whose every text is what nobody should write."""
    made = comparison(
        "one-factor",
        planned(f"base{HOSTILE}", "", BASE, 0.40, 0.41, 0.405),
        planned(f"=cmd{HOSTILE}|x", "a`b\\|c" + HOSTILE, LEAN, 0.35, 0.36, 0.355),
        planned("[/b] $x_1$ <b>&", "@2.se=false", LEAN, 0.36, 0.37, 0.362),
    )
    return dataclasses.replace(
        made, title=f"[/b] <i> $a$ {HOSTILE}", question=f"- why? {HOSTILE}", data=f"d{HOSTILE}",
        recipe=f"r{HOSTILE}", notes=(f"note{HOSTILE}",),
    )  # fmt: skip


def test_a_report_of_hostile_names_is_well_formed_in_every_form(tmp_path: Path) -> None:
    texts = {form: written(form, odd()) for form in WRITERS}
    for text in texts.values():
        no_control(text, but="\n")
    lines = list(csv.reader(io.StringIO(texts["csv"])))
    assert len(lines) == 4
    assert len({len(line) for line in lines}) == 1
    assert lines[2][1].startswith("'=cmd")
    assert float(lines[2][lines[0].index("delta")]) < 0
    cells = [tag for tag, _ in inline(texts["markdown"]) if tag in ("td", "th")]
    assert len(cells) == 4 * 7
    page = Page(texts["html"])
    assert "i" not in page.tags
    ends = re.search(r'type="application/json">(.*?)</script>', texts["html"])
    assert ends
    no_control("".join(point["label"] for point in json.loads(ends[1])[0]["points"]))
    foreign = dataclasses.replace(odd(), title=f"核 😀 {HOSTILE}")
    ElementTree.fromstring(written("plot", odd(), foreign))
    assert draw_plot([analyse(foreign)], ".png")
    out = Screen(file=io.StringIO(), width=132, record=True)
    print_report([analyse(odd())], out)
    assert isinstance(out.file, io.StringIO)
    no_control(out.file.getvalue(), but="\n")
    ElementTree.fromstring(out.export_svg(title=escaping.plain(HOSTILE), clear=False))


def compiled(program: str, folder: Path, text: str) -> tuple[int, str]:
    """Run a LaTeX program over a document; return its exit status and what it prints."""
    (folder / "r.tex").write_text(text, encoding="utf-8")
    command = [program, "-interaction=nonstopmode", "-halt-on-error", "r.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    return done.returncode, done.stdout.decode(errors="replace")


@pytest.mark.parametrize("program", ["pdflatex", "lualatex"])
@pytest.mark.parametrize("title", ["plain [x]", "Größe “q” \u2013", "ąčő Łódź"])
def test_latex_of_latin_names_compiles(
    program: str, title: str, tmp_path: Path, needs: Needs
) -> None:
    named = dataclasses.replace(STUDIES["one_factor"], title=title)
    text = written("latex", odd(), named, options=ReportOptions(document=True))
    assert title in text
    status, printed = compiled(needs(program), tmp_path, text)
    assert status == 0, printed[-2000:]
    assert "Missing character" not in printed
    assert (tmp_path / "r.pdf").stat().st_size > 1000


def test_latex_of_other_scripts_shows_them_or_says_what_it_needs(
    tmp_path: Path, needs: Needs
) -> None:
    named = dataclasses.replace(STUDIES["one_factor"], title="Größe Ядро")
    text = written("latex", named, options=ReportOptions(document=True))
    assert "Größe Ядро" in text
    status, printed = compiled(needs("lualatex"), tmp_path, text)
    assert status == 0, printed[-2000:]
    assert "Missing character" not in printed
    assert (tmp_path / "r.pdf").stat().st_size > 1000
    status, printed = compiled(needs("pdflatex"), tmp_path, text)
    assert status == 1
    assert "LuaTeX or XeTeX is required to compile this document." in printed


def test_studies_of_hostile_titles_are_listed_and_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = HOSTILE.replace("\udc80", "")  # half a pair is refused when it is read
    manifest, records = study_of(
        "one-factor",
        planned("baseline", "", BASE, 0.40, 0.41),
        planned(f"a{hostile}", "[on/off]", LEAN, 0.35, 0.36),
    )
    for digest, run in records.items():
        with Store(tmp_path).open(digest) as folder:
            folder.write("record.json", run.to_json())
    for at, title in enumerate(("Kernel [/b] size", "Gate [on/off]", f"Odd {hostile}")):
        where = tmp_path / "studies" / f"s{at}-01234567"
        where.mkdir(parents=True)
        StudyStatus(f"s{at}", title, 1, 1, []).save(where)
        dataclasses.replace(manifest, name=f"s{at}", title=title).save(where)
    assert main(["study", "list", "--runs", str(tmp_path)]) == 0
    listed = capsys.readouterr().out
    assert "Kernel [/b] size" in listed
    assert "Gate [on/off]" in listed
    no_control(listed, but="\n")
    for name, title in (("s0", "Kernel [/b] size"), ("s1", "Gate [on/off]"), ("s2", "Odd ")):
        for arguments in (["study", "status", name], ["report", name]):
            assert main([*arguments, "--runs", str(tmp_path)]) == 0
            printed = capsys.readouterr()
            assert title in printed.out
            no_control(printed.out + printed.err, but="\n")
    assert main(["report", f"none{HOSTILE}", "--runs", str(tmp_path)]) == 2
    no_control(capsys.readouterr().err, but="\n")


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
