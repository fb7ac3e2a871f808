"""What of a report is shown, and how: the same options for every form. Without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fuseablate.cost import COSTS
from fuseablate.errors import InputError, unknown
from fuseablate.report.columns import COLUMN_NAMES, COLUMNS, ReportColumn
from fuseablate.report.comparison import ComparedVariant
from fuseablate.report.differences import AnalysedVariant, IntervalKind

PLOT_COSTS = tuple(name for name, kind in COSTS.items() if kind.budget or kind.measured)
SORTS = ("name", *(column.name for column in COLUMNS if column.order))


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """What is compared, and which of it is shown in which order."""

    metric: str = "test_top1"
    """One of `METRICS`."""
    interval: IntervalKind = "seeds"
    matters: float | None = None
    """The smallest difference that matters, in points; None: the study's own."""
    sort: str | None = None
    """One of `SORTS`, or None for the order of the study."""
    filter: str = ""
    """A part of a variant's label or name."""
    cost: str = "macs"
    """One of `PLOT_COSTS`: the horizontal axis."""
    columns: tuple[str, ...] = ()
    """Some of `COLUMN_NAMES`, in order; none for those that have something to say."""
    all_runs: bool = False
    """Whether a terminal lists each run, however many there are."""

    def columns_of(
        self, variants: Sequence[AnalysedVariant]
    ) -> tuple[ReportColumn[AnalysedVariant], ...]:
        """Return the columns of a table, in their order; missing seeds are never hidden."""
        names = self.columns
        if not names:
            hidden = set()
            if all(row.variant.latency is None for row in variants):
                hidden.add("latency")
            if len(variants) < 2 or variants[0].variant.untested:
                hidden |= {"delta", "verdict"}
            names = tuple(name for name in COLUMN_NAMES if name not in hidden)
        elif "seeds" not in names and any(row.variant.incomplete for row in variants):
            names = (*names, "seeds")
        by_name = {column.name: column for column in COLUMNS}
        return tuple(by_name[name] for name in names)

    def matches(self, variant: ComparedVariant) -> bool:
        """Return whether the filter leaves a variant."""
        return self.filter.lower() in f"{variant.label} {variant.name}".lower()

    def rows_of(self, variants: Sequence[AnalysedVariant]) -> tuple[AnalysedVariant, ...]:
        """Return what the filter leaves, in the order asked for; the reference stays first."""
        reference, *others = variants
        rows = [row for row in others if self.matches(row.variant)]
        if self.sort == "name":
            rows.sort(key=lambda row: row.variant.label)
        for column in COLUMNS:
            if column.name == self.sort:
                rows.sort(key=lambda row: _rank(column, row))
        return (reference, *rows)


def _rank(column: ReportColumn[AnalysedVariant], row: AnalysedVariant) -> tuple[bool, float]:
    """Return by what a row is sorted; what has no value comes last."""
    value = column.value(row)
    return (False, column.order * value) if isinstance(value, int | float) else (True, 0.0)


def read_columns(text: str) -> tuple[str, ...]:
    """Return the columns that `macs,score` names, each once; `variant` may stand among them."""
    choices = ", ".join(COLUMN_NAMES)
    names = [name.strip().lower() for name in text.split(",")]
    for name in names:
        if not name:
            raise InputError(f"'{text}' leaves a name out (choices: {choices})")
        if name not in ("variant", *COLUMN_NAMES):
            raise unknown("column", name, COLUMN_NAMES)
        if names.count(name) > 1:
            raise InputError(f"'{text}' names '{name}' twice; write each column once")
    columns = tuple(name for name in names if name != "variant")
    if not columns:
        raise InputError(f"'{text}' leaves nothing to show (choices: {choices})")
    return columns
