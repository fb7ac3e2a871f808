"""The report as a terminal shows it: a table of variants, what it means, and what it cost.

Without torch.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fuseablate.record import Record
from fuseablate.report.bars import MARKS, STYLES, interval, reach_of
from fuseablate.report.judged import Judged, judge
from fuseablate.report.look import Look
from fuseablate.report.model import Comparison
from fuseablate.report.pareto import Point, scatter
from fuseablate.report.searched import print_searched
from fuseablate.report.words import conclusion, statistics_lines
from fuseablate.terminal import change, duration, short

if TYPE_CHECKING:
    from fuseablate.stats import Delta

WIDE = 110  # columns from which costs come with their changes, and intervals with their ends
DRAWN = 130  # columns from which intervals are drawn as well
VERY_WIDE = 150  # columns from which the validation accuracy has room
FEW = 12  # runs up to which each is shown unasked


def mean_sd(scores: Iterable[float]) -> str:
    """Return `mean ± standard deviation` (of the sample, over seeds), or what there is."""
    values = tuple(scores)
    if not values:
        return "-"
    mean = f"{statistics.mean(values):.2f}"
    return f"{mean} ± {statistics.stdev(values):.2f}" if len(values) > 1 else mean


def print_report(comparisons: Sequence[Comparison], out: Console, look: Look | None = None) -> None:
    """Print each comparison: its table, its statistics in words, its front, its runs."""
    for comparison in comparisons:
        _print_one(comparison, out, look or Look())
        out.print()


def _print_one(comparison: Comparison, out: Console, look: Look) -> None:
    wide = out.width >= WIDE
    if comparison.title:
        out.print(f"[bold]{comparison.title}[/]  {comparison.question}", soft_wrap=True)
    out.print(f"[bold]{comparison.data}[/], recipe {comparison.recipe}")
    if comparison.search:
        print_searched(comparison.search, out)
    judged = judge(comparison, look.metric)
    _print_judged(judged, out, look)
    if comparison.iso:
        out.print("[bold]At the reference's cost[/]: each variant rescaled in width")
        _print_judged(judge(comparison, look.metric, comparison.iso), out, look)
    if comparison.design in ("factorial", "fractional", "per-row"):
        from fuseablate.report.factors import print_effects, print_rows

        (print_rows if comparison.design == "per-row" else print_effects)(judged, out)
    points = _points(judged, look.cost)
    if len(points) > 2:
        *plot, legend = scatter(points, look.cost, judged.title, out.width)
        for drawn in plot:
            out.print(drawn, no_wrap=True)
        out.print(legend)
        out.print()
    for note in comparison.notes:
        out.print(note, style="yellow", markup=False, soft_wrap=True)
    if look.runs or sum(len(variant.runs) for variant in comparison.variants) <= FEW:
        out.print(run_table(comparison, wide))
    for line in failures(comparison):
        out.print(line, style="red", markup=False)
    out.print(
        "Accuracies in percent, mean ± standard deviation over seeds. The test set was read "
        "once, at the end of each run. MACs: convolutions and linear layers, one image.",
        style="dim",
    )


def _print_judged(judged: Judged, out: Console, look: Look) -> None:
    out.print(variant_table(judged, out.width, look))
    out.print()
    if sentence := conclusion(judged):
        out.print(Text(sentence, style="bold"))
    for said in statistics_lines(judged):
        out.print(said, style="dim")
    out.print()


def _points(judged: Judged, cost: str) -> list[Point]:
    return [
        Point(variant.short, value, statistics.mean(scores))
        for variant in judged.variants
        if (scores := judged.scores(variant)) and (value := getattr(variant, cost)) is not None
    ]


def _table(title: str, right: Sequence[str]) -> Table:
    table = Table(
        title=title or None, title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False
    )
    table.add_column("Variant", overflow="fold", min_width=14)
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def variant_table(judged: Judged, width: int, look: Look) -> Table:
    """Return a row for each variant: its costs, its score over seeds, its delta and verdict."""
    wide = width >= WIDE
    columns = look.columns_of(judged)
    val = width >= VERY_WIDE and not look.columns and not look.metric.startswith("val")
    heads = {
        "params": ("Params", "change")[: 1 + wide],
        "macs": ("MACs", "change")[: 1 + wide],
        "latency": ("ms",),
        "score": ("Val top-1", judged.title)[not val :],
        "delta": ("Delta [95 %]",),
        "seeds": ("Seeds",),
        "verdict": ("",),
    }
    table = _table("", [])
    for column in columns:
        for head in heads[column]:
            side: Any = "left" if column == "verdict" else "right"
            table.add_column(head, justify=side, no_wrap=True)
    reach = reach_of(judged.analysis.deltas if judged.analysis else ())
    base = judged.variants[0]
    for variant in look.shown(judged):
        done, asked = len(variant.finished), len(variant.seeds)
        delta = judged.delta(variant)
        scores = [mean_sd(variant.scores("val", "top1").values())][:val]
        cells: dict[str, Sequence[str | Text]] = {
            "params": _cost_texts(variant.params, base.params, wide),
            "macs": _cost_texts(variant.macs, base.macs, wide),
            "latency": [f"{variant.latency:.2f}" if variant.latency is not None else "-"],
            "score": [*scores, f"[bold]{mean_sd(judged.scores(variant))}[/]"],
            "delta": [_delta_text(delta, wide)],
            "seeds": [str(done) if done == asked else f"[red]{done} of {asked}[/]"],
            "verdict": [_verdict(delta, reach if width >= DRAWN else None)],
        }
        named = "" if variant.short == variant.label else f"{variant.name}: "
        row = (cell for column in columns for cell in cells[column])
        table.add_row(Text(f"{named}{variant.label}"), *row)
    return table


def _cost_texts(cost: int, before: int, wide: bool) -> list[str]:
    return [short(cost), f"[cyan]{change(cost, before)}[/]"][: 1 + wide]


def _verdict(delta: Delta | None, reach: float | None) -> Text:
    """Return the mark and the word, behind the interval where there is room: a reach."""
    if delta is None:
        return Text("")
    mark = Text(f"{MARKS[delta.verdict]} {delta.verdict}", style=STYLES[delta.verdict])
    return mark if reach is None else Text(" ").join((interval(delta, reach), mark))


def _delta_text(delta: Delta | None, wide: bool) -> str:
    if delta is None:
        return "-"
    if delta.mean is None:
        return "none"
    if delta.low is None or delta.high is None:
        return f"{delta.mean:+.2f}"
    if wide:
        return f"{delta.mean:+.2f} [{delta.low:+.2f}, {delta.high:+.2f}]".replace("[", r"\[")
    return f"{delta.mean:+.2f} ± {max(delta.high - delta.mean, delta.mean - delta.low):.2f}"


def run_table(comparison: Comparison, wide: bool) -> Table:
    """Return a row for each run: its folder, seed, accuracies and speed."""
    speed = ("Images/s",) if wide else ()
    columns = ("Seed", "Epochs", "Val", "Test", "Top-5", *speed, "Time", "Folder")
    table = _table("Runs", columns)
    for variant in comparison.variants:
        for run in variant.runs:
            scores = ["-", "-", "-"]
            if run.val and run.test:
                scores = [f"{100 * s:.2f}" for s in (run.val.top1, run.test.top1, run.test.top5)]
            rates = run.curves.images_per_second or (0.0,)
            table.add_row(
                Text(variant.short),
                str(run.seed),
                str(len(run.curves)),
                *scores,
                *[f"{statistics.median(rates):,.0f}"][:wide],
                duration(run.seconds),
                run.digest[: 16 if wide else 8],
            )
    return table


def failures(comparison: Comparison) -> list[str]:
    """Return a line for each run that ended without a result."""
    return [
        f"{variant.short}, seed {run.seed}: failed at step {run.failure.step} in epoch "
        f"{run.failure.epoch} (rate {run.failure.lr:g}): {run.failure.part} loss "
        f"{run.failure.loss}"
        for variant in comparison.variants
        for run in variant.runs
        if run.failure
    ]


def comparison_rows(records: Sequence[Record]) -> tuple[list[str], list[list[object]]]:
    """Return the columns and the rows of all runs, as a table of plain values."""
    columns = ["variant", "recipe", "seed", "params", "macs", "val_top1", "test_top1", "test_top5"]
    rows: list[list[object]] = [
        [
            run.label or run.spec_name,
            run.recipe_name,
            run.seed,
            run.params,
            run.macs,
            run.val.top1 if run.val else None,
            run.test.top1 if run.test else None,
            run.test.top5 if run.test else None,
        ]
        for run in records
    ]
    return columns, rows
