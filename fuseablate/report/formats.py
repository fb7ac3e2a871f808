"""The report in written forms: CSV, JSON, Markdown, LaTeX and HTML."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fuseablate.record import Record
from fuseablate.report.judged import Judged, views
from fuseablate.report.model import Comparison
from fuseablate.report.page import as_html
from fuseablate.report.rows import COLUMNS, Row, rows_of
from fuseablate.report.words import conclusion, statistics_lines
from fuseablate.terminal import change, short


def as_csv(comparisons: Sequence[Comparison], metric: str) -> str:
    """Return a line for each variant, with the columns of `rows.Row`; numbers in full."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for comparison in comparisons:
        for judged in views(comparison, metric):
            for row in rows_of(judged):
                values = dataclasses.astuple(row)
                writer.writerow("" if value is None else value for value in values)
    return out.getvalue()


def as_json(comparisons: Sequence[Comparison], metric: str) -> str:
    """Return everything: each comparison, its statistics, its variants and their runs."""
    return json.dumps([_comparison(each, metric) for each in comparisons], indent=2) + "\n"


def _comparison(comparison: Comparison, metric: str) -> dict[str, Any]:
    table: dict[str, Any] = {
        key: getattr(comparison, key)
        for key in ("name", "title", "question", "design", "spec", "data", "recipe")
    }
    table["metric"] = metric
    table["notes"] = list(comparison.notes)
    runs = {v.name: [_run(run) for run in v.runs] for v in comparison.variants}
    raw, *equal = (_variants(judged, runs) for judged in views(comparison, metric))
    table |= raw
    if equal:
        table["at_equal_cost"] = equal[0]
    if comparison.search:
        table["search"] = dataclasses.asdict(comparison.search)
    return table


def _variants(judged: Judged, runs: Mapping[str, Any]) -> dict[str, Any]:
    analysis = judged.analysis
    return {
        "statistics": analysis
        and {
            "method": analysis.method,
            "why": analysis.why,
            "sd": analysis.sd,
            "df": analysis.df,
            "smallest_difference": judged.smallest,
            "image_sd": {delta.variant: delta.image_sd for delta in analysis.deltas},
        },
        "conclusion": conclusion(judged),
        "variants": [
            {**dataclasses.asdict(row), "runs": runs[row.variant]} for row in rows_of(judged)
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
HEADINGS = ("Variant", "Params", "MACs", "{metric} (%)", "Delta, 95 % interval", "Seeds", "Verdict")


def _cells(row: Row, minus: str) -> list[str]:
    """Return a row as people read it; `minus` is how the format writes a negative sign."""

    def cost(value: int, share: float) -> str:
        base = value / (1 + share)
        changed = "" if share == 0 else f" ({change(value, base)})"
        return short(value) + changed

    score = "none" if row.mean is None else f"{row.mean:.2f}"
    score += "" if row.sd is None else f" ± {row.sd:.2f}"
    delta = "" if row.delta is None else f"{row.delta:+.2f}"
    delta += "" if row.low is None or row.high is None else f" [{row.low:+.2f}, {row.high:+.2f}]"
    seeds = str(row.seeds) if row.seeds == row.seeds_asked else f"{row.seeds} of {row.seeds_asked}"
    cells = [cost(row.params, row.params_change), cost(row.macs, row.macs_change), score, delta]
    return [row.edits or row.variant, *(re.sub(r"-(?=\d)", minus, c) for c in cells), seeds,
            row.verdict]  # fmt: skip


def as_markdown(comparisons: Sequence[Comparison], metric: str) -> str:
    """Return a pipe table for each comparison, with its statistics in words beneath."""
    parts = []
    for comparison in comparisons:
        for judged in views(comparison, metric):
            head = [heading.format(metric=judged.title) for heading in HEADINGS]
            lines = [
                f"### {_escaped(_title(judged))}",
                "",
                f"{_escaped(comparison.question)} {_escaped(comparison.data)}, recipe "
                f"{_escaped(comparison.recipe)}.".strip(),
                "",
                f"| {' | '.join(head)} |",
                "|---|--:|--:|--:|--:|--:|---|",
            ]
            for row in rows_of(judged):
                name, *others = _cells(row, MINUS)
                lines.append(f"| {' | '.join((f'`{_cell(name)}`', *others))} |")
            words = [*statistics_lines(judged), conclusion(judged)]
            parts.append("\n".join([*lines, "", _escaped(" ".join(filter(None, words)))]))
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _title(judged: Judged) -> str:
    comparison = judged.comparison
    equal = ", at equal cost" if judged.variants == comparison.iso else ""
    return (comparison.title or comparison.spec) + equal


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", text)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("`", "'")


TEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "±": r"$\pm$", "\u2212": "$-$", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


def as_latex(comparisons: Sequence[Comparison], metric: str) -> str:
    """Return a document that compiles as it is, with a booktabs table for each comparison."""
    lines = [
        r"\documentclass{article}",
        r"\usepackage[utf8]{inputenc}",
        r"\usepackage{booktabs}",
        r"\begin{document}",
    ]
    for comparison in comparisons:
        for judged in views(comparison, metric):
            head = [_tex(heading.format(metric=judged.title)) for heading in HEADINGS]
            lines += [
                "",
                r"\begin{table}",
                r"\centering\footnotesize",
                rf"\caption{{{_tex(_title(judged))}. {_tex(comparison.data)}, recipe "
                rf"{_tex(comparison.recipe)}. {_tex(conclusion(judged))}}}",
                r"\begin{tabular}{lrrrrrl}",
                r"\toprule",
                " & ".join(head) + r" \\",
                r"\midrule",
                *(" & ".join(map(_tex, _cells(row, MINUS))) + r" \\" for row in rows_of(judged)),
                r"\bottomrule",
                r"\end{tabular}",
                r"\end{table}",
            ]
    return "\n".join([*lines, "", r"\end{document}", ""])


def _tex(text: str) -> str:
    known = "".join(TEX.get(character, character) for character in text)
    return known.encode("latin-1", "replace").decode("latin-1")


FORMATS: Mapping[str, Callable[[Sequence[Comparison], str], str]] = {
    "markdown": as_markdown,
    "latex": as_latex,
    "csv": as_csv,
    "json": as_json,
    "html": as_html,
}
