"""The report for people who write: the tables as text, and Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fuseablate.io.escaping import markdown, markdown_code
from fuseablate.report.analysis import AnalysedComparison, Section
from fuseablate.report.columns import EFFECT_COLUMNS, texts, typographic
from fuseablate.report.comparison import ComparedVariant
from fuseablate.report.search_progress import (
    best_so_far,
    curve_title,
    curves_note,
    shown_counts,
)
from fuseablate.runs import Searched


@dataclass(frozen=True)
class TextTable:
    """A table as text: headings, which columns begin at the left, and rows."""

    heads: Sequence[str]
    left: Sequence[bool]
    rows: Sequence[Sequence[str]]


def _variants(report: AnalysedComparison, section: Section) -> TextTable:
    columns = section.columns
    titles = [column.title.format(metric=report.metric_title) for column in columns]
    return TextTable(
        ["Variant", *titles],
        [True, *(column.left for column in columns)],
        [[_named(row.variant), *texts(columns, row)] for row in section.rows],
    )


def _named(variant: ComparedVariant) -> str:
    return "<br>".join(map(markdown_code, filter(None, (variant.name, variant.beneath))))


def _effects(report: AnalysedComparison) -> TextTable | None:
    if not report.effects or not report.effects.deltas:
        return None
    return TextTable(
        ["Effect", *(column.title for column in EFFECT_COLUMNS)],
        [True, *(column.left for column in EFFECT_COLUMNS)],
        [
            [markdown_code(delta.variant), *texts(EFFECT_COLUMNS, delta)]
            for delta in report.effects.deltas
        ],
    )


def _best_so_far(search: Searched) -> TextTable | None:
    """Return the best that a search had found after some trials."""
    curves = best_so_far(search)
    if not curves:
        return None
    rows = [
        [
            f"{count:,}",
            *(f"{c[count - 1]:.2f}" if count <= len(c) else "" for c in curves.values()),
        ]
        for count in shown_counts(curves)
    ]
    return TextTable(["Trials", *map(curve_title, curves)], [False] * (len(curves) + 1), rows)


def as_markdown(reports: Sequence[AnalysedComparison]) -> str:
    """Return a pipe table for each comparison, beneath it its statistics in words and notes."""
    parts = []
    for report in reports:
        comparison = report.comparison
        for section in report.sections:
            parts += [
                f"### {markdown(report.title_of(section))}",
                markdown(f"{comparison.question} {comparison.setting}."),
                _pipes(_variants(report, section)),
                _prose(" ".join(filter(None, (*section.method, section.conclusion)))),
            ]
        if report.effects:
            if effects := _effects(report):
                parts += ["**Effects**", _pipes(effects)]
            parts.append(_prose(report.effects.note))
        if comparison.notes:
            parts.append("\n".join(f"- {_prose(note)}" for note in comparison.notes))
        if comparison.search and (best := _best_so_far(comparison.search)):
            note = curves_note(best_so_far(comparison.search))
            parts += ["**Best validation top-1 so far (%)**", _pipes(best), note]
    return "\n\n".join(part.rstrip() for part in parts if part) + "\n"


def _prose(text: str) -> str:
    return markdown(typographic(text))


def _pipes(table: TextTable) -> str:
    first, *sides = ("---" if left else "--:" for left in table.left)
    lines = [f"| {' | '.join(table.heads)} |", f"|{first}|{'|'.join(sides)}|"]
    lines += [f"| {' | '.join(row)} |" for row in table.rows]
    return "\n".join(lines)
