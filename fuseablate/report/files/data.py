"""The report for machines: CSV and JSON, with numbers in full."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fuseablate.io.escaping import csv_cell
from fuseablate.report.analysis import AnalysedComparison, Section
from fuseablate.report.columns import (
    COLUMN_NAMES,
    COLUMNS,
    DETAILS,
    EFFECT_COLUMNS,
    RUN_COLUMNS,
    ReportColumn,
    T,
)
from fuseablate.report.differences import AnalysedVariant
from fuseablate.report.options import column_named
from fuseablate.report.search_progress import best_so_far

if TYPE_CHECKING:
    from fuseablate.stats import RankCorrelation


def variant_lines(reports: Sequence[AnalysedComparison]) -> list[dict[str, Any]]:
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
    known = dict.fromkeys(cost for report in reports for cost in report.comparison.costs)
    given = [column_named(name) for name in known]
    lines = []
    for report, section, row in rows:
        line = {**_names(report, row), **_values(tuple(asked.values()) or (*COLUMNS, *given), row)}
        if not asked:
            notes = " ".join(report.comparison.notes)
            line |= {**_details(section, row), "notes": notes}
        lines.append(line)
    return lines


def as_csv(reports: Sequence[AnalysedComparison]) -> str:
    """Return a line for each variant, beneath the names of the columns."""
    lines = variant_lines(reports)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(lines[0])
    writer.writerows(map(csv_cell, line.values()) for line in lines)
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
    return json.dumps([comparison_dict(report) for report in reports], indent=2) + "\n"


def comparison_dict(report: AnalysedComparison) -> dict[str, Any]:
    """Return a comparison as plain values."""
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
        table["search"]["rank_correlations"] = _ranks(report.trial_ranks)
    return table


def _section(report: AnalysedComparison, section: Section) -> dict[str, Any]:
    return {
        "statistics": _statistics(section),
        "conclusion": section.conclusion,
        "rank_correlations": _ranks(section.ranks),
        "variants": [
            {
                **_names(report, row),
                **_values((*COLUMNS, *_further(report)), row),
                **_details(section, row),
                "runs": _runs(row),
            }
            for row in section.rows
        ],
    }


def _ranks(ranks: Mapping[str, RankCorrelation]) -> dict[str, Any]:
    return {name: rank._asdict() for name, rank in ranks.items()}


def _further(report: AnalysedComparison) -> tuple[ReportColumn[AnalysedVariant], ...]:
    """Return costs beyond the columns of all reports: those asked for, those that are known."""
    names = dict.fromkeys((*report.options.columns, *report.comparison.costs))
    return tuple(column_named(name) for name in names if name not in COLUMN_NAMES)


def _runs(row: AnalysedVariant) -> list[dict[str, Any]]:
    if row.variant.given is not None:
        return [{"seed": seed, "score": score} for seed, score in row.scores.items()]
    return [{**_values(RUN_COLUMNS, run), "status": run.status} for run in row.variant.runs]


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
