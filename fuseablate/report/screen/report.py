"""The report as a terminal shows it: a table of variants, what it means, and what it cost.

Without torch.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fuseablate.io.terminal import duration, fitted, named_table
from fuseablate.report.comparison import Comparison
from fuseablate.report.judged import Judged, judge
from fuseablate.report.look import Look
from fuseablate.report.screen.bars import legend
from fuseablate.report.screen.pareto import Point, scatter
from fuseablate.report.screen.searched import print_searched
from fuseablate.report.screen.variant_table import WIDE, print_variants
from fuseablate.report.words import conclusion, statistics_lines

FEW = 12  # runs up to which each is shown unasked
RUN_COLUMNS = ("Seed", "Epochs", "Val", "Test", "Top-5", "Images/s", "Time", "Folder")


def print_report(comparisons: Sequence[Comparison], out: Console, look: Look | None = None) -> None:
    """Print each comparison: its table, its statistics in words, its front, its runs."""
    for comparison in comparisons:
        _print_one(comparison, out, look or Look())
        out.print()


def _print_one(comparison: Comparison, out: Console, look: Look) -> None:
    if comparison.title:
        title = Text.assemble((comparison.title, "bold"), f"  {comparison.question}")
        out.print(title, soft_wrap=True)
    recipe = f", recipe {comparison.recipe}" if comparison.recipe else ""
    out.print(Text.assemble((comparison.data, "bold"), recipe))
    if comparison.search:
        print_searched(comparison.search, out)
    judged = judge(comparison, look.metric)
    _print_judged(judged, out, look)
    if comparison.iso:
        head = ("At the reference's cost", "bold")
        out.print(Text.assemble(head, ": each variant rescaled in width"))
        _print_judged(judge(comparison, look.metric, comparison.iso), out, look)
    if comparison.design in ("factorial", "fractional", "per-row"):
        from fuseablate.report.screen.factors import print_effects, print_rows

        (print_rows if comparison.design == "per-row" else print_effects)(judged, out)
    points = _points(judged, look.cost)
    if look.cost == "latency" and not points:
        out.print("No latency was measured: there is nothing to plot.", style="dim")
    if len(points) > 2:
        *plot, legend = scatter(points, look.cost, judged.title, out.width)
        for drawn in plot:
            out.print(drawn, no_wrap=True)
        out.print(legend)
        out.print()
    for note in comparison.notes:
        out.print(note, style="yellow", soft_wrap=True)
    runs = sum(len(variant.runs) for variant in comparison.variants)
    if runs and (look.runs or runs <= FEW):
        _print_runs(comparison, out)
    for line in failures(comparison):
        out.print(line, style="red")
    read = "has not been read" if comparison.untested else "was read once, at the end of each run"
    out.print(
        f"Accuracies in percent, mean ± standard deviation over seeds. The test set {read}. "
        "MACs: convolutions and linear layers, one image.",
        style="dim",
    )


def _print_judged(judged: Judged, out: Console, look: Look) -> None:
    print_variants(judged, out, look)
    out.print()
    if sentence := conclusion(judged):
        out.print(Text(sentence, style="bold"))
    if any(delta.holds for delta in (judged.analysis.deltas if judged.analysis else ())):
        out.print(legend(judged.comparison.matters), style="dim", markup=False)
    for said in statistics_lines(judged):
        out.print(said, style="dim")
    out.print()


def _points(judged: Judged, cost: str) -> list[Point]:
    return [
        Point(variant.key, variant.short, value, statistics.mean(scores), variant.diverged)
        for variant in judged.variants
        if (scores := judged.scores(variant)) and (value := getattr(variant, cost)) is not None
    ]


def run_table(
    comparison: Comparison, wide: bool, some: Sequence[str] = RUN_COLUMNS, padding: int = 2
) -> Table:
    """Return a row for each run: its seed, accuracies, speed and folder."""
    table = named_table("Variant", padding, "Runs")
    for name in some:
        if wide or name != "Images/s":
            table.add_column(name, justify="right", no_wrap=True)
    for variant in comparison.variants:
        for run in variant.runs:
            val = f"{100 * run.val.top1:.2f}" if run.val else "-"
            top1 = f"{100 * run.test.top1:.2f}" if run.test else "-"
            top5 = f"{100 * run.test.top5:.2f}" if run.test else "-"
            cells = {
                "Seed": str(run.seed),
                "Epochs": str(len(run.curves)),
                "Val": val,
                "Test": top1,
                "Top-5": top5,
                "Images/s": f"{statistics.median(run.curves.images_per_second or (0.0,)):,.0f}",
                "Time": duration(run.seconds),
                "Folder": run.digest[: 16 if wide else 8],
            }
            row = (cells[name] for name in some if wide or name != "Images/s")
            table.add_row(Text(variant.short), *row)
    return table


def _print_runs(comparison: Comparison, out: Console) -> None:
    def make(some: Sequence[str], tight: int) -> Table:
        return run_table(comparison, out.width >= WIDE and tight < 2, some, 1 if tight else 2)

    table, _ = fitted(make, RUN_COLUMNS, ("Top-5", "Epochs", "Time", "Val"), out)
    out.print(table)


def failures(comparison: Comparison) -> list[str]:
    """Return a line for each run that ended without a result."""
    return [
        f"{variant.short}, seed {run.seed}: failed at step {run.failure.step} in epoch "
        f"{run.failure.epoch} (rate {run.failure.lr:g}): {run.failure.part} loss "
        f"{run.failure.loss}"
        if run.failure
        else f"{variant.short}, seed {run.seed}: has not been tested yet; train it again, which "
        "tests it from its weights"
        for variant in comparison.variants
        for run in variant.runs
        if run.failure or (run.untested and not variant.untested)
    ]


def comparison_rows(comparison: Comparison) -> tuple[list[str], list[list[object]]]:
    """Return the columns and the rows of all runs, as a table of plain values."""
    columns = ["variant", "recipe", "seed", "params", "macs", "val_top1", "test_top1", "test_top5"]
    rows: list[list[object]] = [
        [
            variant.name,
            run.recipe_name,
            run.seed,
            run.params,
            run.macs,
            run.val.top1 if run.val else None,
            run.test.top1 if run.test else None,
            run.test.top5 if run.test else None,
        ]
        for variant in comparison.variants
        for run in variant.runs
    ]
    return columns, rows
