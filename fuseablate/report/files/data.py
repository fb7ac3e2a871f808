"""The report for machines: CSV and JSON, with numbers in full."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from fuseablate.io.escaping import csv_cell
from fuseablate.report.analysis import AnalysedComparison, Section
from fuseablate.report.columns import (
    COLUMNS,
    DETAILS,
    EFFECT_COLUMNS,
    RUN_COLUMNS,
    ReportColumn,
    T,
)
from fuseablate.report.differences import AnalysedVariant
from fuseablate.report.search_progress import best_so_far


def as_csv(reports: Sequence[AnalysedComparison]) -> str:
    """Return a line for each variant: the columns that were asked for, or all that is known."""
    rows = [
        (report, section, row)
        for report in reports
        for section in report.sections
        for row in section.rows
    ]
    # Those of all tables: they may differ in their columns, the lines do not.
    asked = {
        column.name: column
        for report, section, _ in rows
        if report.options.columns
        for column in section.columns
    }
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for number, (report, section, row) in enumerate(rows):
        line = {**_names(report, row), **_values(tuple(asked.values()) or COLUMNS, row)}
        if not asked:
            notes = " ".join(report.comparison.notes)
            line |= {**_details(section, row), "notes": notes}
        if number == 0:
            writer.writerow(line)
        writer.writerow(map(csv_cell, line.values()))
    return out.getvalue()


def _names(report: AnalysedComparison, row: AnalysedVariant) -> dict[str, Any]:
    return {
        "comparison": report.comparison.heading,
        "variant": row.variant.name,
        "edits": row.variant.changes,
        "aliases": ", ".join(row.variant.aliases),
    }


def _values(columns: Sequence[ReportColumn[T]], row: T) -> dict[str, Any]:
    return {name: value(row) for column in columns for name, value in column.values.items()}


def _details(section: Section, row: AnalysedVariant) -> dict[str, Any]:
    details = {name: value(row) for name, value in DETAILS.items()}
    return {**details, "interval": section.statistics.interval}


def as_json(reports: Sequence[AnalysedComparison]) -> str:
    """Return all columns: each comparison, its statistics, its variants and their runs."""
    return json.dumps([_comparison(report) for report in reports], indent=2) + "\n"


def _comparison(report: AnalysedComparison) -> dict[str, Any]:
    comparison = report.comparison
    table: dict[str, Any] = {
        key: getattr(comparison, key)
        for key in ("name", "title", "question", "design", "spec", "data", "recipe")
    }
    table |= {"metric": report.metric, "notes": list(comparison.notes)}
    raw, *equal = (_section(report, section) for section in report.sections)
    table |= raw
    if equal:
        table["at_equal_cost"] = equal[0]
    if report.effects:
        table["effects"] = [
            {"effect": delta.variant, **_values(EFFECT_COLUMNS, delta)}
            for delta in report.effects.deltas
        ]
    if comparison.search:
        table["search"] = dataclasses.asdict(comparison.search)
        table["search"]["best_so_far"] = best_so_far(comparison.search)
    return table


def _section(report: AnalysedComparison, section: Section) -> dict[str, Any]:
    return {
        "statistics": _statistics(section),
        "conclusion": section.conclusion,
        "rank_correlations": {name: ranks._asdict() for name, ranks in section.ranks.items()},
        "variants": [
            {
                **_names(report, row),
                **_values((*COLUMNS, *report.options.extra_columns), row),
                **_details(section, row),
                "runs": [
                    {**_values(RUN_COLUMNS, run), "status": run.status} for run in row.variant.runs
                ],
            }
            for row in section.rows
        ],
    }


def _statistics(section: Section) -> Mapping[str, Any] | None:
    statistics = section.statistics
    analysis = statistics.analysis
    names = {row.variant.key: row.variant.name for row in section.variants}
    if analysis is None:
        return None
    return {
        "method": analysis.method,
        "why": analysis.why,
        "matters": statistics.matters,
        "interval": statistics.interval,
        "residual_sd": analysis.sd,
        "df": analysis.df,
        "smallest_difference": statistics.smallest,
        "seeds_needed": statistics.needed,
        "image_se": {names[delta.variant]: delta.image_se for delta in analysis.deltas},
    }
