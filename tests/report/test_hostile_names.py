"""Reports and lists of names that nobody should write are well formed, whatever the form."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fuseablate.commands.program import main
from fuseablate.io import escaping
from fuseablate.io.terminal import Screen
from fuseablate.report import Comparison, ReportOptions, analyse
from fuseablate.report.files import WRITERS
from fuseablate.report.files.plot import draw_plot
from fuseablate.report.screen import print_report
from fuseablate.runs.status import StudyStatus
from fuseablate.runs.store import Store
from tests.helpers.comparisons import BASE, LEAN, STUDIES, comparison, planned, written
from tests.helpers.comparisons import study as study_of
from tests.helpers.hostile import HOSTILE, Page, inline, no_control
from tests.helpers.programs import Needs


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
def test_latex_of_latin_names_compiles(program: str, tmp_path: Path, needs: Needs) -> None:
    titles = ("plain [x]", "Größe “q” \u2013", "ąčő Łódź")
    named = [dataclasses.replace(STUDIES["one_factor"], title=title) for title in titles]
    text = written("latex", odd(), *named, options=ReportOptions(document=True))
    assert all(title in text for title in titles)
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
