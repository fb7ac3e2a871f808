"""What `runs list` and `runs show` print. Without torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console, JustifyMethod
from rich.table import Table

from fuseablate.io.terminal import Named, bare_table, duration, fitted
from fuseablate.runs import Description, ListedRun, Record, Score, StoredRun

UNITS = ("B", "kB", "MB", "GB")
_TEXTS = ("Network", "Recipe", "Data", "Status")  # columns whose cells may fold
_SPARE = ("Size", "Val %", "Data", "Age", "Recipe")  # the first is missed the least


def print_run_list(runs: Iterable[ListedRun], now: float, out: Console) -> None:
    """Print a table with a line for each run; `now` in seconds since 1970."""
    lines = [_cells(run, now) for run in runs]

    def make(names: Sequence[str], tight: int) -> Table:
        table = bare_table(tight)
        for name in names:
            if name in _TEXTS:
                table.add_column(name, overflow="fold")
            else:
                justify: JustifyMethod = "left" if name == "Run" else "right"
                table.add_column(name, justify=justify, no_wrap=True)
        for line in lines:
            table.add_row(*map(line.__getitem__, names))
        return table

    table, left_out = fitted(make, list(lines[0]), _SPARE, out)
    out.print(table, crop=False)
    if left_out:
        out.print(f"No room here for {', '.join(left_out)}; --json has all.", style="dim")


def _cells(run: ListedRun, now: float) -> dict[str, str | Named]:
    """Return the line of a run, by the names of its columns."""
    network = " ".join(filter(None, (run.spec, run.edits)))
    return {
        "Run": run.id[:8],
        "Network": Named(network or "?"),
        "Recipe": Named(run.recipe or "?"),
        "Data": run.data or "?",
        "Seed": "?" if run.seed is None else str(run.seed),
        "Status": status_text(run),
        "Val %": _percent(run.val_top1),
        "Test %": _percent(run.test_top1),
        "Size": bytes_text(run.bytes),
        "Age": age(max(0.0, now - run.changed)) if run.changed else "?",
    }


def status_text(run: ListedRun | StoredRun) -> str:
    """Return a run's status, and how far one that has not ended has come."""
    if run.status in ("running", "interrupted"):
        return f"{run.status}, epoch {run.epoch} of {run.epochs or '?'}"
    return run.status


def bytes_text(count: float) -> str:
    """Return a number of bytes as people read it: 12 kB, 3.4 MB."""
    power = min(len(UNITS) - 1, int(math.log10(max(count, 1))) // 3)
    count, unit = count / 1000**power, UNITS[power]
    return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"


def age(seconds: float) -> str:
    """Return how long ago something was; from two days on in days."""
    days = int(seconds / 86400)
    return f"{days} days" if days >= 2 else duration(seconds)


def print_run(run: StoredRun, out: Console) -> None:
    """Print all that is known of a run in a store, a line each."""
    files = ", ".join(
        f"{path.name} ({bytes_text(path.stat().st_size)})"
        for path in sorted(run.folder.iterdir())
        if path.name != "lock"
    )
    known = run.record or run.description
    lines = {
        "id": run.id,
        "digest": run.digest,
        "status": status_text(run) + (", held by a process" if run.held and run.record else ""),
        **(_words(known) if known else {}),
        **(_results(run.record) if run.record else {}),
        "files": files,
        "folder": run.folder,
    }
    _print_lines(lines, out)


def print_record(record: Record, out: Console) -> None:
    """Print what a run is and what came of it, a line each."""
    lines = {"digest": record.digest, "status": record.status}
    _print_lines({**lines, **_words(record), **_results(record)}, out)


def _words(run: Record | Description) -> dict[str, object]:
    return {
        "spec": run.spec_name,
        "edits": run.label,
        "recipe": run.recipe_name,
        "data": run.data_title,
        "seed": run.seed,
    }


def _results(record: Record) -> dict[str, object]:
    failure = record.failure
    return {
        "params": f"{record.params:,}",
        "MACs": f"{record.macs:,}",
        "epochs": f"{len(record.curves)} of {record.recipe['epochs']}",
        "teacher": record.teacher and record.teacher.words,
        "validation": _score(record.val),
        "test": _score(record.test),
        "failure": failure
        and f"{failure.part} loss {failure.loss} in epoch {failure.epoch}, step {failure.step}",
        "trained": f"{record.started} to {record.ended}, {duration(record.seconds)}",
        **record.environment,
        "notes": "; ".join(record.notes),
    }


def _print_lines(lines: Mapping[str, object], out: Console) -> None:
    for key, value in lines.items():
        if value not in (None, ""):
            out.print(f"{key:<14}{value}", soft_wrap=True)


def _percent(top1: float | None) -> str:
    return "-" if top1 is None else f"{100 * top1:.2f}"


def _score(score: Score | None) -> str | None:
    if score is None:
        return None
    scores = f"top-1 {score.top1:.2%}, top-5 {score.top5:.2%}, loss {score.loss:.4f}"
    return f"{scores}, {score.images:,} images"
