"""The report in written forms: CSV, JSON, Markdown, LaTeX and HTML."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fuseablate.io.escaping import csv_cell, latex, markdown, markdown_code
from fuseablate.io.terminal import change, short
from fuseablate.report.best_so_far import best_so_far, heading, shown_counts
from fuseablate.report.best_so_far import words as rise_words
from fuseablate.report.comparison import Comparison
from fuseablate.report.files.page import as_html
from fuseablate.report.judged import Judged, views
from fuseablate.report.look import Look
from fuseablate.report.rows import FIELDS, NAMED, PARTS, Row, rows_of
from fuseablate.report.words import conclusion, statistics_lines
from fuseablate.runs import Record, Searched


def as_csv(comparisons: Sequence[Comparison], look: Look) -> str:
    """Return a line for each variant, with the fields of `rows.Row`; numbers in full."""
    chosen = [part for column in look.columns for part in PARTS[column]]
    names = (*NAMED, *chosen) if chosen else FIELDS
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    for comparison in comparisons:
        for judged in views(comparison, look.metric):
            for row in rows_of(judged, look.shown(judged)):
                writer.writerow(csv_cell(getattr(row, name)) for name in names)
    return out.getvalue()


def as_json(comparisons: Sequence[Comparison], look: Look) -> str:
    """Return all columns: each comparison, its statistics, its variants and their runs."""
    return json.dumps([_comparison(each, look) for each in comparisons], indent=2) + "\n"


def _comparison(comparison: Comparison, look: Look) -> dict[str, Any]:
    table: dict[str, Any] = {
        key: getattr(comparison, key)
        for key in ("name", "title", "question", "design", "spec", "data", "recipe")
    }
    every = views(comparison, look.metric)
    table["metric"] = every[0].metric
    table["notes"] = list(comparison.notes)
    raw, *equal = (_variants(judged, look) for judged in every)
    table |= raw
    if equal:
        table["at_equal_cost"] = equal[0]
    if comparison.search:
        table["search"] = dataclasses.asdict(comparison.search)
        table["search"]["best_so_far"] = best_so_far(comparison.search)
    return table


def _variants(judged: Judged, look: Look) -> dict[str, Any]:
    analysis = judged.analysis
    names = {variant.key: variant.name for variant in judged.variants}
    shown = look.shown(judged)
    return {
        "statistics": analysis
        and {
            "method": analysis.method,
            "why": analysis.why,
            "matters": judged.comparison.matters,
            "interval": judged.comparison.interval,
            "residual_sd": analysis.sd,
            "df": analysis.df,
            "smallest_difference": judged.smallest,
            "seeds_needed": judged.needed,
            "image_se": {names[delta.variant]: delta.image_se for delta in analysis.deltas},
        },
        "conclusion": conclusion(judged),
        "variants": [
            {**dataclasses.asdict(row), "runs": [_run(run) for run in variant.runs]}
            for variant, row in zip(shown, rows_of(judged, shown), strict=True)
        ],
    }


def _run(run: Record) -> dict[str, Any]:
    return {
        "run": run.digest,
        "seed": run.seed,
        "status": run.status,
        "epochs": len(run.curves),
        "seconds": run.seconds,
        "val_top1": run.val.top1 if run.val else None,
        "test_top1": run.test.top1 if run.test else None,
        "test_top5": run.test.top5 if run.test else None,
    }


MINUS = "\u2212"
HEADINGS = {
    "params": "Params",
    "macs": "MACs",
    "latency": "Latency (ms)",
    "score": "{metric} (%), mean ± sd",
    "delta": "Delta, 95 % interval",
    "seeds": "Seeds",
    "verdict": "Verdict",
}


def _table(judged: Judged, look: Look) -> tuple[Sequence[str], list[str], list[list[str]]]:
    """Return a table as people read it: its columns by name, their headings, and its rows."""
    columns = look.columns_of(judged)
    head = ["Variant", *(HEADINGS[column].format(metric=judged.title) for column in columns)]
    rows = []
    for row in rows_of(judged, look.shown(judged)):
        cells = _cells(row)
        rows.append([row.edits or row.variant, *(cells[column] for column in columns)])
    return columns, head, rows


def _cells(row: Row) -> dict[str, str]:
    def cost(value: int, share: float) -> str:
        base = value / (1 + share)
        changed = "" if share == 0 else f" ({change(value, base)})"
        return short(value) + changed

    score = "none" if row.mean is None else f"{row.mean:.2f}"
    score += "" if row.sd is None else f" ± {row.sd:.2f}"
    delta = "" if row.delta is None else f"{row.delta:+z.2f}"
    delta += "" if row.low is None or row.high is None else f" [{row.low:+.2f}, {row.high:+.2f}]"
    cells = {
        "params": cost(row.params, row.params_change),
        "macs": cost(row.macs, row.macs_change),
        "latency": "" if row.latency_ms is None else f"{row.latency_ms:.2f}",
        "score": score,
        "delta": delta,
        "seeds": f"{row.seeds}" + f" of {row.seeds_asked}" * (row.seeds < row.seeds_asked),
        "verdict": _verdict(row),
    }
    return {name: re.sub(r"-(?=\d)", MINUS, text) for name, text in cells.items()}


def _verdict(row: Row) -> str:
    if row.why:
        return f"{row.verdict}: {row.why}"
    return f"{row.verdict}, {row.holds}" if row.holds else row.verdict


def as_markdown(comparisons: Sequence[Comparison], look: Look) -> str:
    """Return a pipe table for each comparison, beneath it its statistics in words and notes."""
    parts = []
    for comparison in comparisons:
        for judged in views(comparison, look.metric):
            columns, head, rows = _table(judged, look)
            sides = ["---" if column == "verdict" else "--:" for column in columns]
            lines = [
                f"### {markdown(_title(judged))}",
                "",
                markdown(f"{comparison.question} {comparison.setting}."),
                "",
                f"| {' | '.join(head)} |",
                f"|---|{'|'.join(sides)}|",
            ]
            for name, *others in rows:
                lines.append(f"| {' | '.join((markdown_code(name), *others))} |")
            words = [*statistics_lines(judged), conclusion(judged)]
            parts.append("\n".join([*lines, "", markdown(" ".join(filter(None, words)))]))
        if comparison.notes:
            parts.append("\n".join(f"- {markdown(note)}" for note in comparison.notes))
        if comparison.search:
            parts += _best_so_far(comparison.search)
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _best_so_far(search: Searched) -> list[str]:
    """Return a pipe table of the best that a search had found after some trials."""
    curves = best_so_far(search)
    if not curves:
        return []
    rows = [
        f"| {count:,} | {' | '.join(_at(curve, count) for curve in curves.values())} |"
        for count in shown_counts(curves)
    ]
    table = [
        f"| Trials | {' | '.join(map(heading, curves))} |",
        f"|--:|{'--:|' * len(curves)}",
        *rows,
    ]
    parts = ["**Best validation top-1 so far (%)**", "\n".join(table), rise_words(search)]
    return [part for part in parts if part]


def _at(curve: Sequence[float], count: int) -> str:
    return f"{curve[count - 1]:.2f}" if count <= len(curve) else ""


def _title(judged: Judged) -> str:
    comparison = judged.comparison
    equal = ", at equal cost" if judged.variants == comparison.iso else ""
    return (comparison.title or comparison.spec) + equal


def as_latex(comparisons: Sequence[Comparison], look: Look) -> str:
    """Return a document that compiles as it is, with a booktabs table for each comparison.

    Beneath the table stand its statistics in words, and the notes.
    """
    lines = []
    for comparison in comparisons:
        for judged in views(comparison, look.metric):
            columns, head, rows = _table(judged, look)
            beneath = [*statistics_lines(judged), *comparison.notes]
            sides = "".join("l" if column == "verdict" else "r" for column in columns)
            lines += [
                "",
                r"\begin{table}",
                r"\centering\footnotesize",
                rf"\caption{{{latex(_title(judged))}. {latex(comparison.setting)}. "
                rf"{latex(conclusion(judged))}}}",
                rf"\begin{{tabular}}{{l{sides}}}",
                r"\toprule",
                " & ".join(map(latex, head)) + r" \\",
                r"\midrule",
                *(" & ".join(map(latex, row)) + r" \\" for row in rows),
                r"\bottomrule",
                r"\end{tabular}",
                *(rf"\par\smallskip {latex(line)}" for line in beneath),
                r"\end{table}",
            ]
    text = "\n".join(lines)
    start = [r"\documentclass{article}", *_input(text), r"\usepackage{booktabs}"]
    return "\n".join([*start, r"\begin{document}", text, "", r"\end{document}", ""])


def _input(text: str) -> list[str]:
    """Return what a document loads for its characters, which beyond Latin-1 are many.

    Of those pdfTeX prints "?" where it knows none; LuaLaTeX and XeLaTeX what the font has.
    """
    latin = r"\usepackage[utf8]{inputenc}"
    beyond = sorted(set(text) - set(map(chr, range(256))))
    if not beyond:
        return [latin]
    return [
        r"\usepackage{iftex}",
        r"\ifPDFTeX",
        latin,
        *(
            rf"\ifcsname u8:\detokenize{{{each}}}\endcsname\else"
            rf"\DeclareUnicodeCharacter{{{ord(each):04X}}}{{?}}\fi"
            for each in beyond
        ),
        r"\else",
        r"\usepackage{fontspec} % \setmainfont chooses a font that has the characters",
        r"\fi",
    ]


FORMATS: Mapping[str, Callable[[Sequence[Comparison], Look], str]] = {
    "markdown": as_markdown,
    "latex": as_latex,
    "csv": as_csv,
    "json": as_json,
    "html": as_html,
}
