"""The tables of a report, in as many columns as a terminal has room for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fuseablate.io.terminal import Named, fitted, named_table
from fuseablate.report.analysis import AnalysedComparison, Section
from fuseablate.report.columns import (
    COLUMNS,
    EFFECT_COLUMNS,
    RUN_COLUMNS,
    ReportColumn,
    T,
    mean_sd,
)
from fuseablate.report.comparison import Comparison
from fuseablate.report.differences import VERDICT_MARKS, AnalysedVariant, marked, reach_of
from fuseablate.report.screen.drawings import STYLES, interval_bar

if TYPE_CHECKING:
    from fuseablate.stats import Delta

# Characters from which costs come with their changes, and intervals with their ends.
REPORT_WIDE = 110
DRAWN = 130  # from which intervals are drawn as well
VERY_WIDE = 150  # from which the validation accuracy has room


def print_variants(report: AnalysedComparison, section: Section, out: Console) -> None:
    """Print a row for each variant, and say which columns had to be left out."""
    columns = {column.name: column for column in section.columns}
    spare = _by_priority(section.columns)
    if report.options.columns:
        spare = list(reversed([*columns][1:]))
    if any(row.variant.incomplete for row in section.variants):
        spare = [name for name in spare if name != "seeds"]

    def make(names: Sequence[str], tight: int) -> Table:
        width = out.width if tight < 2 else min(out.width, REPORT_WIDE - 1)
        shown = [columns[name] for name in names]
        return _variant_table(report, section, width, shown, tight)

    table, left_out = fitted(make, [*columns], spare, out)
    out.print(table)
    if left_out:
        out.print(f"No room here for {', '.join(left_out)} (see --columns).", style="dim")


def print_variant(row: AnalysedVariant, out: Console) -> None:
    """Print one variant, alone: a line for each column that says something of it."""
    beneath = f"  {row.variant.beneath}".rstrip()
    out.print(Text.assemble((row.variant.name, "bold"), beneath), soft_wrap=True)
    heads = [column.title.format(metric="Score") for column in COLUMNS]
    for head, column in zip(heads, COLUMNS, strict=True):
        if text := column.cell(row).whole:
            out.print(f"{head:<{max(map(len, heads))}}  {text}", soft_wrap=True)


def _variant_table(
    report: AnalysedComparison,
    section: Section,
    width: int,
    columns: Sequence[ReportColumn[AnalysedVariant]],
    tight: int,
) -> Table:
    wide = width >= REPORT_WIDE
    plain = not report.options.columns and report.comparison.validated
    val = width >= VERY_WIDE and plain and not report.metric.startswith("val")
    table = named_table("Variant", tight)
    for column in columns:
        if val and column.name == "score":
            table.add_column("Val top-1", justify="right", no_wrap=True)
        _add_column(table, column, wide, report.metric_title)
    for row in section.rows:
        cells: list[str | Text] = []
        for column in columns:
            if val and column.name == "score":
                cells.append(mean_sd(row.variant.scores("val_top1")))
            if column.name == "verdict":
                cells.append(_verdict_text(row, section.statistics.reach, width))
            else:
                cells += _styled(column, row, _texts(column, row, wide))
        table.add_row(Named(row.variant.name, row.variant.beneath), *cells)
    return table


def _add_column(table: Table, column: ReportColumn[T], wide: bool, metric: str = "") -> None:
    side: Any = "left" if column.left else "right"
    title = column.short_title.format(metric=metric)
    for head in (title, column.detail_title) if wide and column.detail_title else (title,):
        table.add_column(head, justify=side, no_wrap=True)


def _texts(column: ReportColumn[T], row: T, wide: bool) -> list[str]:
    """Return what a terminal shows of a value: one text, or two where details have a column."""
    if column.value(row) is None:
        return ["-"]
    cell = column.cell(row)
    if not wide:
        return [cell.narrow]
    if not column.detail_title:
        return [cell.whole]
    known = all(value(row) is not None for value in column.values.values())
    return [cell.text, cell.detail or ("=" if known else "-")]


def _styled(
    column: ReportColumn[AnalysedVariant], row: AnalysedVariant, texts: Iterable[str]
) -> list[str | Text]:
    first, *details = texts
    style = {"score": "bold", "seeds": "red" if row.variant.incomplete else ""}
    return [
        Text.assemble((first, style.get(column.name, ""))),
        *(Text.assemble((text, "cyan")) for text in details),
    ]


def _by_priority(columns: Sequence[ReportColumn[T]]) -> list[str]:
    """Return the names of the columns that can be missed, the first the most."""
    spare = [column for column in columns if column.priority]
    return [column.name for column in sorted(spare, key=lambda column: column.priority)]


def _verdict_text(row: AnalysedVariant, reach: float, width: int) -> Text:
    if row.why:
        brief = row.variant.diverged.replace(" runs", "") or "no verdict"
        why = f"no verdict: {row.why}" if width >= REPORT_WIDE else brief
        return Text(f"{VERDICT_MARKS['no verdict']} {why}", STYLES["no verdict"])
    return _drawn_verdict(row.delta, reach, width >= DRAWN) if row.delta else Text("")


def _drawn_verdict(delta: Delta, reach: float, drawn: bool) -> Text:
    """Return the mark and the word, behind the interval where it is drawn, as far as `reach`."""
    mark = Text(marked(delta.verdict, delta.holds), style=STYLES[delta.verdict])
    return Text(" ").join((interval_bar(delta, reach), mark)) if drawn else mark


def print_effects(deltas: Sequence[Delta], out: Console) -> None:
    """Print a row for each effect of a factorial design."""
    reach = reach_of(deltas)

    def make(_: Sequence[str], tight: int) -> Table:
        wide = tight < 2
        table = named_table("Effect", tight, "Effects", least=None)
        for column in EFFECT_COLUMNS:
            _add_column(table, column, wide)
        points, verdict = EFFECT_COLUMNS
        for delta in deltas:
            (text,) = _texts(points, delta, wide)
            drawn = (
                Text(verdict.cell(delta).text, style="dim")
                if delta.low == delta.high
                else _drawn_verdict(delta, reach, wide)
            )
            table.add_row(Text(delta.variant), text, drawn)
        return table

    table, _ = fitted(make, (), (), out)
    out.print(table)


def print_runs(comparison: Comparison, out: Console) -> None:
    """Print a row for each run: its seed, accuracies, speed and folder."""

    def make(names: Sequence[str], tight: int) -> Table:
        wide = out.width >= REPORT_WIDE and tight < 2
        columns = [
            column for column in RUN_COLUMNS if column.name in names and (wide or not column.roomy)
        ]
        table = named_table("Variant", tight, "Runs")
        for column in columns:
            _add_column(table, column, wide)
        for variant, run in comparison.runs:
            texts = (text for column in columns for text in _texts(column, run, wide))
            table.add_row(Named(variant.name), *texts)
        return table

    names = [column.name for column in RUN_COLUMNS]
    table, _ = fitted(make, names, _by_priority(RUN_COLUMNS), out)
    out.print(table)
