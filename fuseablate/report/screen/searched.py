"""What a search found on the validation images, and what it left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fuseablate.cost import SUMMARY, cost_kind
from fuseablate.io.terminal import bare_table, fitted
from fuseablate.report.screen.drawings import sparkline
from fuseablate.report.search_progress import (
    best_so_far,
    curve_title,
    curves_note,
    hypervolumes,
)
from fuseablate.runs import Searched, Trial

SHOWN_TRIALS = 10  # trials of the table


def print_searched(search: Searched, out: Console) -> None:
    """Print the counts, the best trials, the hypervolume over time, and what decides."""
    done = [trial for trial in search.trials if trial.state == "complete"]
    partial = sum(trial.seeds < search.seeds for trial in done)
    states = Counter(trial.state for trial in search.trials)
    counts = {
        "with all seeds": len(done) - partial,
        "ended after the first seed": partial,
        "pruned": states["pruned"],
        "failed": states["fail"],
        "not ended": states["running"],
    }
    ended = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    found = f": {search.origin}: {ended or 'none'}"
    out.print(Text.assemble(("Search", "bold"), found))
    refused = ", ".join(f"{count:,} {reason}" for reason, count in search.refused.items())
    out.print(f"Samples that were not trained, and drawn again: {refused}")
    if done:
        out.print(_table(search, done, out))
        out.print(
            "Validation top-1, mean over seeds: what the search went by, and so optimistic for the "
            "best. A trial with fewer seeds makes no claim. *: a finalist, judged below on fresh "
            "seeds.",
            style="dim",
        )
    _print_best(search, out)
    cost = next((name for name in search.objectives if name != "accuracy"), None)
    if cost and done and any(volumes := hypervolumes(done, cost)):
        head = "Hypervolume over trials: "
        out.print(head + sparkline(volumes, width=out.width - len(head)))
    if search.importance:
        shares = ", ".join(f"{name} {share:.2f}" for name, share in search.importance.items())
        out.print(f"Importance of parameters for validation top-1 (PED-ANOVA): {shares}")
    else:
        out.print("Importance of parameters: not rated; that takes 20 trials")
    out.print()


def _print_best(search: Searched, out: Console) -> None:
    """Print the best so far of the search, and of random trials; all to one scale."""
    curves = best_so_far(search)
    if not curves:
        return
    out.print("Best validation top-1 so far, over trials:")
    low = min(curve[0] for curve in curves.values())
    high = max(curve[-1] for curve in curves.values())
    wide = max(len(curve_title(name)) for name in curves)
    for name, curve in curves.items():
        head = f"  {curve_title(name):{wide}}  "
        out.print(head + sparkline(curve, low, high, 2, out.width - len(head)))
    if note := curves_note(curves):
        out.print(note, style="dim")


def _table(search: Searched, done: Sequence[Trial], out: Console) -> Table:
    ranked = sorted(done, key=lambda trial: (not trial.finalist, -(trial.top1 or 0)))
    finalists = sum(trial.finalist for trial in done)
    names = dict.fromkeys((*SUMMARY, *(name for name in search.objectives if name != "accuracy")))
    kinds = [cost_kind(name) for name in names]
    heads = {kind.name: "ms" if kind.measured else kind.heading for kind in kinds}

    def make(names: Sequence[str], tight: int) -> Table:
        table = bare_table(tight)
        table.add_column("Trial", no_wrap=True)
        for name in names:
            table.add_column(name, justify="right", no_wrap=True)
        changed = any(trial.recipe for trial in ranked)
        table.add_column("Edits and recipe" if changed else "Edits", overflow="fold")
        for trial in ranked[: max(SHOWN_TRIALS, finalists)]:
            cells = {
                "Val top-1": "-" if trial.top1 is None else f"{trial.top1:.2f}",
                "Seeds": f"{trial.seeds} of {search.seeds}",
            }
            for kind in kinds:
                value = trial.cost(kind.name)
                cells[heads[kind.name]] = "-" if value is None else kind.short(value)
            number = f"{trial.number}{'*' if trial.finalist else ''}"
            what = Text(trial.changes or "-")
            table.add_row(number, *(cells[column] for column in names), what)
        return table

    columns = ("Val top-1", "Seeds", *heads.values())
    table, _ = fitted(make, columns, [heads["params"], *list(heads.values())[:0:-1]], out)
    return table
