"""The columns of a report's tables: one table that every form reads, a terminal as well as CSV.

A new column is one row of `COLUMNS` (of the variants) or of `RUN_COLUMNS`.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from fuseablate.cost import COSTS, CostKind
from fuseablate.io.terminal import change, duration
from fuseablate.report.comparison import METRICS, Comparison
from fuseablate.report.differences import AnalysedVariant
from fuseablate.runs import Record

if TYPE_CHECKING:
    from fuseablate.stats import Delta

MINUS = "\u2212"
T = TypeVar("T")  # what a row of a table is of
Plain = str | int | float | None


@dataclass(frozen=True)
class Cell:
    """A value as people read it; empty where there is none."""

    text: str
    detail: str = ""
    """What stands beside or below it: a change, an interval, what a verdict rests on."""
    line: str = ""
    """Both as one line; the text where it has no detail."""
    brief: str = ""
    """Both where there is little room; the text where it has no detail."""

    @property
    def whole(self) -> str:
        return self.line or self.text

    @property
    def narrow(self) -> str:
        return self.brief or self.text


@dataclass(frozen=True)
class ReportColumn(Generic[T]):
    """A column of a table with a row for each `T`."""

    name: str
    """What `--columns` and `--sort` call it."""
    title: str
    """Its heading in files; `{metric}` is the metric's title."""
    short_title: str
    """Its heading on a terminal."""
    cell: Callable[[T], Cell]
    values: Mapping[str, Callable[[T], Plain]]
    """For machines: numbers in full, by name. The first is what the column is sorted by."""
    _: KW_ONLY
    left: bool = False
    """Whether its text begins at the left."""
    detail_title: str = ""
    """On a wide terminal, the heading of a column of its own for the details."""
    order: int = 0
    """Which end comes first where `--sort` names it: 1 the least, -1 the greatest; 0 is neither."""
    priority: int = 0
    """Where a terminal has no room the lowest goes first; 0 always stays."""
    roomy: bool = False
    """Whether it is shown on wide terminals alone."""

    def value(self, row: T) -> Plain:
        """Return what it is sorted by; None where the row has no value."""
        return next(iter(self.values.values()))(row)


def cost_column(cost: CostKind, priority: int) -> ReportColumn[AnalysedVariant]:
    """Return the column of a cost that a table tells, with its change to what it is edited of."""
    name = cost.name

    def costs(row: AnalysedVariant) -> tuple[float | None, float | None]:
        return row.variant.cost(name), row.cost_base.cost(name) if row.cost_base else None

    def share(row: AnalysedVariant) -> float | None:
        value, base = costs(row)
        return None if value is None or not base else value / base - 1

    def cell(row: AnalysedVariant) -> Cell:
        value, base = costs(row)
        if value is None:
            return Cell("")
        text = cost.short(value)
        if value == base or base is None:
            return Cell(text)
        changed = change(value, base)
        return Cell(text, changed, f"{text} ({changed})")

    values = {name: lambda row: row.variant.cost(name), f"{name}_change": share}
    heads = (name, cost.heading, cost.heading)
    return ReportColumn(*heads, cell, values, detail_title="change", order=1, priority=priority)


def _latency(row: AnalysedVariant) -> Cell:
    value = row.variant.latency
    return Cell("" if value is None else COSTS["latency"].short(value))


def mean_sd(scores: Mapping[int, float]) -> str:
    """Return `mean ± standard deviation` (of the sample, over seeds), or what there is."""
    if not scores:
        return "none"
    mean = f"{statistics.mean(scores.values()):.2f}"
    return f"{mean} ± {statistics.stdev(scores.values()):.2f}" if len(scores) > 1 else mean


def delta_cell(delta: Delta | None) -> Cell:
    """Return a difference with its interval: both ends, or in brief how far it reaches."""
    if delta is None or delta.mean is None:
        return Cell("")
    text = f"{delta.mean:+z.2f}"
    if delta.low is None or delta.high is None:
        return Cell(text)
    ends = f"[{delta.low:+.2f}, {delta.high:+.2f}]"
    reach = max(delta.high - delta.mean, delta.mean - delta.low)
    return Cell(text, ends, f"{text} {ends}", f"{text} ± {reach:.2f}")


def _seeds(row: AnalysedVariant) -> Cell:
    done, asked = row.variant.results, len(row.variant.seeds)
    return Cell(str(done) if done == asked else f"{done} of {asked}")


def _verdict(row: AnalysedVariant) -> Cell:
    if row.why:
        return Cell(row.verdict, row.why, f"{row.verdict}: {row.why}")
    return Cell(row.verdict, row.holds, f"{row.verdict}, {row.holds}" if row.holds else "")


def reading(**paths: str) -> dict[str, Callable[[object], Plain]]:
    """Return by name what reads `a.b` of a row: None where `a` is."""

    def reader(path: str) -> Callable[[object], Plain]:
        def read(row: object) -> Plain:
            value: Any = row
            for name in path.split("."):
                value = None if value is None else getattr(value, name)
            result: Plain = value
            return result

        return read

    return {name: reader(path) for name, path in paths.items()}


# Beside the variant itself, which always comes first.
COLUMNS: tuple[ReportColumn[AnalysedVariant], ...] = (
    cost_column(COSTS["params"], priority=1),
    cost_column(COSTS["macs"], priority=3),
    ReportColumn(
        "latency", COSTS["latency"].heading, COSTS["latency"].unit, _latency,
        reading(latency_ms="variant.latency"), order=1, priority=2,
    ),
    ReportColumn(
        "score", "{metric} (%), mean ± sd", "{metric}", lambda row: Cell(mean_sd(row.scores)),
        reading(mean="mean", sd="sd"), order=-1, priority=6,
    ),
    ReportColumn(
        "delta", "Delta, 95 % interval", "Delta [95 %]", lambda row: delta_cell(row.delta),
        reading(delta="delta.mean", low="delta.low", high="delta.high", p="delta.p"),
        order=-1, priority=5,
    ),
    ReportColumn(
        "seeds", "Seeds", "Seeds", _seeds,
        {"seeds": lambda row: len(row.scores), "seeds_asked": lambda row: len(row.variant.seeds)},
        priority=4,
    ),
    ReportColumn(
        "verdict", "Verdict", "", _verdict,
        reading(verdict="verdict", holds="holds", why="why"), left=True,
    ),
)  # fmt: skip
COLUMN_NAMES = tuple(column.name for column in COLUMNS)
# What CSV and JSON hold beside the columns: both intervals of each difference, and its errors.
DETAILS = reading(
    robust_low="delta.robust.low",
    robust_high="delta.robust.high",
    robust_p="delta.robust.p",
    alike_low="delta.alike.low",
    alike_high="delta.alike.high",
    alike_p="delta.alike.p",
    seed_error="delta.seed_se",
    image_error="delta.image_se",
)


def _no_effect(delta: Delta) -> bool:
    """Whether the same networks stand on both sides: the effect is 0 by itself."""
    return delta.interval is not None and delta.low == delta.high


def _effect_verdict(delta: Delta) -> Cell:
    if _no_effect(delta):
        return Cell("the same networks")
    return Cell(delta.verdict, delta.holds, f"{delta.verdict}, {delta.holds}" * bool(delta.holds))


# Beside the levels that an effect of a factorial design is of.
EFFECT_COLUMNS: tuple[ReportColumn[Delta], ...] = (
    ReportColumn(
        "points", "Points, 95 % interval", "Points [95 %]",
        lambda delta: Cell("none") if _no_effect(delta) else delta_cell(delta),
        reading(delta="mean", low="low", high="high", p="p"),
    ),
    ReportColumn(
        "verdict", "Verdict", "", _effect_verdict,
        reading(verdict="verdict", holds="holds"), left=True,
    ),
)  # fmt: skip


def _accuracy(metric: str, title: str, short_title: str, priority: int = 0) -> ReportColumn[Record]:
    """Return the column of one of `METRICS`, which records hold as a share."""
    part, measure = METRICS[metric]

    def value(run: Record) -> float | None:
        score = getattr(run, part)
        return getattr(score, measure) if score else None

    def cell(run: Record) -> Cell:
        share = value(run)
        if share is None:
            return Cell("failed" if run.failure else "untested")
        return Cell(f"{100 * share:.2f}")

    return ReportColumn(metric, title, short_title, cell, {metric: value}, priority=priority)


def _speed(run: Record) -> float:
    return statistics.median(run.curves.images_per_second or (0.0,))


RUN_COLUMNS: tuple[ReportColumn[Record], ...] = (
    ReportColumn("seed", "Seed", "Seed", lambda run: Cell(str(run.seed)), reading(seed="seed")),
    ReportColumn(
        "epochs", "Epochs", "Epochs", lambda run: Cell(str(len(run.curves))),
        {"epochs": lambda run: len(run.curves)}, priority=2,
    ),
    _accuracy("val_top1", "Val top-1", "Val", priority=4),
    _accuracy("test_top1", "Test top-1", "Test"),
    _accuracy("test_top5", "Test top-5", "Top-5", priority=1),
    ReportColumn(
        "speed", "Images/s", "Images/s", lambda run: Cell(f"{_speed(run):,.0f}"),
        {"images_per_second": _speed}, roomy=True,
    ),
    ReportColumn(
        "time", "Time", "Time", lambda run: Cell(duration(run.seconds)),
        reading(seconds="seconds"), priority=3,
    ),
    ReportColumn(
        "run", "Run", "Folder", lambda run: Cell(run.digest[:16], brief=run.digest[:8]),
        reading(run="digest"),
    ),
)  # fmt: skip


def run_table(comparison: Comparison) -> tuple[list[str], list[list[object]]]:
    """Return the columns and the rows of all runs, as a table of plain values."""
    values = {name: value for column in RUN_COLUMNS for name, value in column.values.items()}
    rows: list[list[object]] = [
        [
            variant.name,
            run.recipe_name,
            run.params,
            run.macs,
            *(value(run) for value in values.values()),
        ]
        for variant, run in comparison.runs
    ]
    return ["variant", "recipe", "params", "macs", *values], rows


def texts(columns: Sequence[ReportColumn[T]], row: T) -> list[str]:
    """Return what files show of a row: a text for each column, with minus signs."""
    return [typographic(column.cell(row).whole) for column in columns]


def typographic(text: str) -> str:
    """Return a cell or a sentence with minus signs before its negative numbers.

    What people read has them: a page, Markdown, LaTeX. A terminal, JSON and CSV, which are searched
    and read by programs, keep the hyphen, and so do ranges, dates and edits.
    """
    return re.sub(r"(?<![^\s(\[])-(?=\d)", MINUS, text)
