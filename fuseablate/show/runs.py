"""What `runs list` and `runs show` print. Without torch."""

from __future__ import annotations

import math
from typing import Any

from rich.console import Console
from rich.table import Table

from fuseablate.io.terminal import duration
from fuseablate.runs import Score, StoredRun

UNITS = ("B", "kB", "MB", "GB")


def as_json(run: StoredRun) -> dict[str, Any]:
    """Return a run for machines; scores are shares of 1, sizes bytes, times seconds since 1970."""
    record = run.record
    return {
        "id": run.id,
        "digest": run.digest,
        "status": run.status,
        "held": run.held,
        **_words(run),
        "epoch": run.epoch,
        "epochs": run.epochs,
        "val_top1": record.val.top1 if record and record.val else None,
        "test_top1": record.test.top1 if record and record.test else None,
        "bytes": run.bytes,
        "changed": run.changed,
        "files": sorted(path.name for path in run.folder.iterdir()) if not run.problem else [],
        "problem": run.problem or None,
    }


def _words(run: StoredRun) -> dict[str, Any]:
    known = run.record or run.description
    return {
        "spec": known.spec_name if known else None,
        "edits": known.label if known else None,
        "recipe": known.recipe_name if known else None,
        "data": known.data_title if known else None,
        "seed": known.seed if known else None,
    }


def runs_table(runs: list[StoredRun], now: float) -> Table:
    """Return a table with a line for each run; `now` in seconds since 1970."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("Run", no_wrap=True)
    for name in ("Network", "Recipe", "Data"):
        table.add_column(name, overflow="fold")
    table.add_column("Seed", justify="right")
    table.add_column("Status")
    for name in ("Val %", "Test %", "Size", "Age"):
        table.add_column(name, justify="right", no_wrap=True)
    for run in runs:
        words, record = _words(run), run.record
        network = " ".join(filter(None, (words["spec"], words["edits"])))
        table.add_row(
            run.id[:8],
            *(text or "?" for text in (network, words["recipe"], words["data"])),
            "?" if words["seed"] is None else str(words["seed"]),
            status_text(run),
            _percent(record.val if record else None),
            _percent(record.test if record else None),
            bytes_text(run.bytes),
            age(max(0.0, now - run.changed)) if run.changed else "?",
        )
    return table


def status_text(run: StoredRun) -> str:
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
    """Print all that is known of a run, a line each."""
    record, words = run.record, _words(run)
    lines: dict[str, object] = {
        "id": run.id,
        "digest": run.digest,
        "status": status_text(run) + (", held by a process" if run.held and record else ""),
        **words,
    }
    if record:
        lines |= {
            "params": f"{record.params:,}",
            "MACs": f"{record.macs:,}",
            "epochs": f"{len(record.curves)} of {run.epochs}",
            "teacher": record.teacher and record.teacher.words,
            "validation": _score(record.val),
            "test": _score(record.test),
            "failure": record.failure
            and f"{record.failure.part} loss {record.failure.loss} in "
            f"epoch {record.failure.epoch}, step {record.failure.step}",
            "trained": f"{record.started} to {record.ended}, {duration(record.seconds)}",
            **record.environment,
            "notes": "; ".join(record.notes),
        }
    lines["files"] = ", ".join(
        f"{path.name} ({bytes_text(path.stat().st_size)})"
        for path in sorted(run.folder.iterdir())
        if path.name != "lock"
    )
    lines["folder"] = run.folder
    for key, value in lines.items():
        if value not in (None, ""):
            out.print(f"{key:<14}{value}", soft_wrap=True)


def _percent(score: Score | None) -> str:
    return f"{100 * score.top1:.2f}" if score else "-"


def _score(score: Score | None) -> str | None:
    if score is None:
        return None
    scores = f"top-1 {score.top1:.2%}, top-5 {score.top5:.2%}, loss {score.loss:.4f}"
    return f"{scores}, {score.images:,} images"
