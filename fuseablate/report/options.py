"""What of a report is shown, and how: the same options for every form. Without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from fuseablate.cost import COSTS, cost_kind, cost_kinds, read_names
from fuseablate.errors import InputError, unknown
from fuseablate.report.columns import COLUMN_NAMES, COLUMNS, ReportColumn, cost_column
from fuseablate.report.comparison import METRICS, ComparedVariant
from fuseablate.report.differences import AnalysedVariant, IntervalKind

PLOTTED = ("macs", "params", "latency")  # axes that a page offers, beside those asked for
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
    """One of `SORTS` or a cost, or None for the order of the study."""
    filter: str = ""
    """A part of a variant's name, or of what stands beneath it."""
    cost: str = "macs"
    """The horizontal axis: the name of a cost."""
    columns: tuple[str, ...] = ()
    """Some of `COLUMN_NAMES` and costs, in order; none for those that have something to say."""
    all_runs: bool = False
    """Whether a terminal lists each run, however many there are."""
    caption: str = ""
    """The caption of a LaTeX table, in place of one that says what was found."""
    document: bool = False
    """Whether LaTeX is a whole document, and not a table to be put into one."""

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise unknown("metric", self.metric, METRICS)
        if self.interval not in get_args(IntervalKind):
            raise unknown("interval", self.interval, get_args(IntervalKind))
        if self.interval == "both" and self.metric != "test_top1":
            raise InputError(
                f'interval = "both": needs the result of each image, which records hold of '
                f"test_top1, and not of {self.metric}"
            )
        if self.matters is not None and not 0 < self.matters <= 100:  # and no NaN
            raise InputError(f"matters = {self.matters}: must be points, above 0 and at most 100")
        if self.sort is not None:
            read_sort(self.sort)
        cost_kind(self.cost)
        for name in self.columns:
            column_named(name)

    @property
    def costs(self) -> tuple[str, ...]:
        """The costs that plots may have for an axis."""
        asked = [name for name in self.columns if name.partition("@")[0] in COSTS]
        return tuple(dict.fromkeys((*PLOTTED, self.cost, *asked)))

    def columns_of(
        self, variants: Sequence[AnalysedVariant], costs: Sequence[str] = ()
    ) -> tuple[ReportColumn[AnalysedVariant], ...]:
        """Return the columns of a table, in their order; missing seeds are never hidden.

        `costs` are shown, too, unless other columns were asked for.
        """
        names = self.columns
        if not names:
            hidden = set()
            for name in ("params", "macs", "latency"):
                if all(row.variant.cost(name) is None for row in variants):
                    hidden.add(name)
            if len(variants) < 2 or variants[0].variant.untested:
                hidden |= {"delta", "verdict"}
            every = dict.fromkeys(("params", "macs", *costs, *COLUMN_NAMES))
            names = tuple(name for name in every if name not in hidden)
        elif "seeds" not in names and any(row.variant.incomplete for row in variants):
            names = (*names, "seeds")
        extra = cost_kinds(name for name in names if name not in COLUMN_NAMES)
        titled = {kind.name: cost_column(kind, priority=2) for kind in extra}
        return tuple(titled.get(name) or column_named(name) for name in names)

    def matches(self, variant: ComparedVariant) -> bool:
        """Return whether the filter leaves a variant."""
        return self.filter.lower() in " ".join((variant.name, variant.beneath)).lower()

    def rows_of(self, variants: Sequence[AnalysedVariant]) -> tuple[AnalysedVariant, ...]:
        """Return what the filter leaves, in the order asked for; the reference stays first."""
        reference, *others = variants
        rows = [row for row in others if self.matches(row.variant)]
        if self.sort == "name":
            rows.sort(key=lambda row: row.variant.name)
        elif self.sort:
            column = column_named(self.sort)
            rows.sort(key=lambda row: _rank(column, row))
        return (reference, *rows)


def _rank(column: ReportColumn[AnalysedVariant], row: AnalysedVariant) -> tuple[bool, float]:
    """Return by what a row is sorted; what has no value comes last."""
    value = column.value(row)
    return (False, column.order * value) if isinstance(value, int | float) else (True, 0.0)


def read_sort(text: str) -> str:
    """Return what variants can be sorted by: `name`, an ordered column, a cost."""
    if text not in SORTS and (text in COLUMN_NAMES or text.partition("@")[0] not in COSTS):
        raise unknown("order", text, SORTS)
    return text if text in SORTS else column_named(text).name


def column_named(name: str) -> ReportColumn[AnalysedVariant]:
    """Return the column of that name: one of `COLUMNS`, or any cost that a table tells."""
    for column in COLUMNS:
        if column.name == name:
            return column
    if name.partition("@")[0] not in COSTS:
        raise unknown("column", name, dict.fromkeys((*COLUMN_NAMES, *COSTS)))
    return cost_column(cost_kind(name), priority=2)


def read_columns(text: str) -> tuple[str, ...]:
    """Return the columns that `macs,score` names, each once; `variant` may stand among them."""

    def known(name: str) -> object:
        return name == "variant" or column_named(name)

    names = read_names(text, known, COLUMN_NAMES)
    columns = tuple(name for name in names if name != "variant")
    if not columns:
        raise InputError(f"'{text}' leaves nothing to show (choices: {', '.join(COLUMN_NAMES)})")
    return columns
