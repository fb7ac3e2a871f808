"""The report in LaTeX: a table for an article, or a document that compiles as it is."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fuseablate.io.escaping import latex
from fuseablate.report.analysis import AnalysedComparison, Section
from fuseablate.report.columns import EFFECT_COLUMNS, ReportColumn, T, typographic
from fuseablate.report.differences import ANY_SPREADS, AnalysedVariant

DAGGER = r"$^{\dagger}$"  # behind a verdict that holds whatever the spreads
PACKAGES = r"\usepackage{booktabs,tabularx}"
# What a document loads for its characters, of which pdfLaTeX knows those of Latin script.
LATIN_1 = (r"\usepackage[utf8]{inputenc}",)
LATIN = (
    *LATIN_1,
    r"\usepackage{iftex}",
    r"\ifPDFTeX\usepackage[T1]{fontenc}\usepackage{lmodern}\fi",
)
OTHER = (
    r"\usepackage{iftex}",
    r"\RequireTUTeX % pdfLaTeX does not know all of these characters",
    r"\usepackage{fontspec} % \setmainfont{...} chooses a font that has them",
    r"\IfFontExistsTF{%s}{\setmainfont{%s}}{}",
    r"\tracinglostchars=2 % name the characters that the font lacks",
)
FIRST_CJK = 0x2E80
# Dashes, quotation marks, an ellipsis and the like, which it knows too.
PUNCTUATION = {*map(chr, range(0x2013, 0x203B)), "\u20ac", "\u2122"}


def _characters(text: str) -> tuple[str, ...]:
    highest = max((ord(character) for character in set(text) - PUNCTUATION), default=0)
    if highest < 0x180:
        return LATIN_1 if highest < 0x100 else LATIN
    font = "Noto Serif CJK SC" if highest >= FIRST_CJK else "DejaVu Serif"
    return tuple(line.replace("%s", font) for line in OTHER)


def as_latex(reports: Sequence[AnalysedComparison]) -> str:
    """Return a booktabs table for each comparison, as wide as the column that it stands in.

    Beneath the table stand its statistics in words, and the notes. The tables alone, to be put
    into an article, or where the options say so a whole document.
    """
    lines: list[str] = []
    for number, report in enumerate(reports):
        label = _label(report, number)
        for section in report.sections:
            at = f"{label}-equal-cost" if section.equal_cost else label
            lines += _variants(report, section, at)
        if report.effects and report.effects.deltas:
            rows = [
                [_name(delta.variant), *(_cell(column, delta) for column in EFFECT_COLUMNS)]
                for delta in report.effects.deltas
            ]
            caption = latex(f"{report.title}: effects.")
            lines += _float(
                ["Effect", *(_head(column) for column in EFFECT_COLUMNS)],
                [column.left for column in EFFECT_COLUMNS],
                rows,
                rf"\caption{{{caption}}}\label{{{label}-effects}}",
                [report.effects.note],
                marked=any(delta.holds == ANY_SPREADS for delta in report.effects.deltas),
            )
    text = "\n".join(lines).lstrip("\n")
    if not reports[0].options.document:
        return f"% needs {PACKAGES}\n{text}\n"
    preamble = [r"\documentclass{article}", *_characters(text), PACKAGES]
    return "\n".join([*preamble, r"\begin{document}", "", text, "", r"\end{document}", ""])


def _label(report: AnalysedComparison, number: int) -> str:
    """Return what a reference calls the table: by the study, or by its place among the tables."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", report.comparison.name).strip("-")
    return f"tab:{name or number + 1}"


def _variants(report: AnalysedComparison, section: Section, label: str) -> list[str]:
    said = report.options.caption or (
        f"{report.title_of(section)}. {report.comparison.setting}. "
        f"{typographic(section.conclusion)}"
    )
    # Of a variant of which a run diverged, the mean of the others says nothing.
    means = [None if row.variant.diverged else row.mean for row in section.rows]
    best = max(filter(None, means), default=None)
    columns = section.columns

    def cells(row: AnalysedVariant, mean: float | None) -> list[str]:
        return [
            rf"\textbf{{{text}}}" if column.name == "score" and mean and mean == best else text
            for column in columns
            for text in (_cell(column, row),)
        ]

    return _float(
        ["Variant", *(_head(column, report.metric_title) for column in columns)],
        [column.left for column in columns],
        [
            [_name(row.variant.name), *cells(row, mean)]
            for row, mean in zip(section.rows, means, strict=True)
        ],
        rf"\caption{{{latex(said)}}}\label{{{label}}}",
        [*_edits(section), *section.method, *report.comparison.notes],
        marked=any(row.holds == ANY_SPREADS for row in section.rows),
    )


def _edits(section: Section) -> list[str]:
    """Return in a line what the names of the rows stand for."""
    known = [row.variant for row in section.rows if row.variant.beneath]
    texts = [f"{variant.name}: {variant.beneath}" for variant in known]
    return [f"Variants: {'. '.join(texts)}."] if texts else []


def _head(column: ReportColumn[T], metric: str = "") -> str:
    return latex((column.short_title or column.title).format(metric=metric))


def _cell(column: ReportColumn[T], row: T) -> str:
    cell = column.cell(row)
    return latex(typographic(cell.narrow)) + DAGGER * (cell.detail == ANY_SPREADS)


def _name(text: str) -> str:
    """Return a variant's name, which may be broken where an edit has a joint."""
    return re.sub(r"(?<=\w)(=|\.|\\_)(?=\w)", r"\1\\allowbreak{}", latex(text))


def _float(
    heads: Sequence[str],
    left: Sequence[bool],
    rows: Sequence[Sequence[str]],
    caption: str,
    beneath: Sequence[str],
    *,
    marked: bool,
) -> list[str]:
    sides = "".join("l" if at_left else "r" for at_left in left)
    return [
        "",
        r"\begin{table}",
        r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
        caption,
        rf"\begin{{tabularx}}{{\linewidth}}{{@{{}}>{{\raggedright\arraybackslash}}X{sides}@{{}}}}",
        r"\toprule",
        " & ".join(heads) + r" \\",
        r"\midrule",
        *(" & ".join(row) + r" \\" for row in rows),
        r"\bottomrule",
        r"\end{tabularx}",
        *[rf"\par\smallskip {DAGGER} {ANY_SPREADS}; the others if they are alike."] * marked,
        *(rf"\par\smallskip {latex(typographic(line))}" for line in beneath),
        r"\end{table}",
    ]
