"""The report: rows of results, by variant and by run. Without torch."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from fuseablate.record import Record
from fuseablate.report.model import Comparison
from fuseablate.terminal import change, duration, short

WIDE = 110  # columns from which every column is shown


def mean_sd(scores: Iterable[float]) -> str:
    """Return `mean ± standard deviation` (of the sample, over seeds), or what there is."""
    values = tuple(scores)
    if not values:
        return "-"
    mean = f"{statistics.mean(values):.2f}"
    return f"{mean} ± {statistics.stdev(values):.2f}" if len(values) > 1 else mean


def print_report(comparisons: Sequence[Comparison], out: Console) -> None:
    """Print each comparison as a table of variants and a table of runs."""
    wide = out.width >= WIDE
    for comparison in comparisons:
        out.print(f"[bold]{comparison.data}[/], recipe {comparison.recipe}")
        out.print(variant_table(comparison, wide))
        out.print(run_table(comparison, wide))
        for line in failures(comparison):
            out.print(line, style="red")
        out.print(
            "Accuracies in percent, mean ± standard deviation over seeds. The test set was read "
            "once, at the end of each run. MACs: convolutions and linear layers, one image.",
            style="dim",
        )
        if max(len(variant.finished) for variant in comparison.variants) < 2:
            out.print("One seed: differences may be seed noise, and no claim is made.", style="dim")
        out.print()


def _table(title: str, right: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("Variant", overflow="fold", min_width=10)
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def variant_table(comparison: Comparison, wide: bool) -> Table:
    """Return a row for each variant: its costs, its accuracies over seeds, its time."""
    costs = ("Params", "change", "MACs", "change") if wide else ("Params", "MACs")
    top5 = ("Test top-5",) if wide else ()
    table = _table("Variants", (*costs, "Val top-1", "Test top-1", *top5, "Seeds", "Time"))
    base = comparison.reference
    for variant in comparison.variants:
        done, asked = len(variant.finished), len(variant.seeds)
        cells: list[str] = []
        for cost, before in ((variant.params, base.params), (variant.macs, base.macs)):
            cells += [short(cost), f"[cyan]{change(cost, before)}[/]"][: 1 + wide]
        cells += [
            mean_sd(variant.scores("val", "top1").values()),
            f"[bold]{mean_sd(variant.scores('test', 'top1').values())}[/]",
            mean_sd(variant.scores("test", "top5").values()),
        ][: 2 + wide]
        seeds = str(done) if done == asked else f"[red]{done} of {asked}[/]"
        time = duration(sum(each.seconds for each in variant.runs))
        table.add_row(variant.label, *cells, seeds, time)
    return table


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
                variant.label,
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
        f"{variant.label}, seed {run.seed}: failed at step {run.failure.step} in epoch "
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


def as_json(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """Return each comparison for machines; accuracies are shares (0 to 1)."""
    return [
        {
            "data": comparison.data,
            "recipe": comparison.recipe,
            "variants": [
                {
                    "name": variant.name,
                    "edits": list(variant.edits),
                    "params": variant.params,
                    "macs": variant.macs,
                    "runs": [_run_json(run) for run in variant.runs],
                }
                for variant in comparison.variants
            ],
        }
        for comparison in comparisons
    ]


def _run_json(run: Record) -> dict[str, Any]:
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
