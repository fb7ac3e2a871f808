"""The table of variants as a terminal shows it, in as many columns as there is room for."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fuseablate.io.terminal import change, fitted, named_table, short
from fuseablate.report.comparison import ComparedVariant
from fuseablate.report.judged import Judged
from fuseablate.report.look import Look
from fuseablate.report.screen.bars import MARKS, STYLES, interval, marked, reach_of

if TYPE_CHECKING:
    from fuseablate.stats import Delta

WIDE = 110  # columns from which costs come with their changes, and intervals with their ends
DRAWN = 130  # columns from which intervals are drawn as well
VERY_WIDE = 150  # columns from which the validation accuracy has room
SPARE = (
    "params",
    "latency",
    "macs",
    "seeds",
    "delta",
    "score",
)  # what goes first where there is no room


def mean_sd(scores: Iterable[float]) -> str:
    """Return `mean ± standard deviation` (of the sample, over seeds), or what there is."""
    values = tuple(scores)
    if not values:
        return "-"
    mean = f"{statistics.mean(values):.2f}"
    return f"{mean} ± {statistics.stdev(values):.2f}" if len(values) > 1 else mean


def print_variants(judged: Judged, out: Console, look: Look) -> None:
    """Print a row for each variant, and say which columns had to be left out."""
    columns = look.columns_of(judged)
    missing = any(len(variant.finished) < len(variant.seeds) for variant in judged.variants)
    spare = tuple(reversed(columns[1:])) if look.columns else SPARE

    def make(some: Sequence[str], tight: int) -> Table:
        width = out.width if tight < 2 else min(out.width, WIDE - 1)
        return variant_table(judged, width, look, some, 1 if tight else 2)

    kept = ("seeds",) if missing else ()
    table, left = fitted(make, columns, [name for name in spare if name not in kept], out)
    out.print(table)
    if left:
        out.print(f"No room here for {', '.join(left)} (see --columns).", style="dim")


def variant_table(
    judged: Judged, width: int, look: Look, columns: Sequence[str], padding: int = 2
) -> Table:
    """Return a row for each variant: its costs, its score over seeds, its delta and verdict."""
    wide = width >= WIDE
    val = width >= VERY_WIDE and not look.columns and not judged.metric.startswith("val")
    heads = {
        "params": ("Params", "change")[: 1 + wide],
        "macs": ("MACs", "change")[: 1 + wide],
        "latency": ("ms",),
        "score": ("Val top-1", judged.title)[not val :],
        "delta": ("Delta [95 %]",),
        "seeds": ("Seeds",),
        "verdict": ("",),
    }
    table = named_table("Variant", padding)
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
            "score": [*scores, Text.assemble((mean_sd(judged.scores(variant)), "bold"))],
            "delta": [delta_text(delta, wide)],
            "seeds": [str(done) if done == asked else Text.assemble((f"{done} of {asked}", "red"))],
            "verdict": [
                _no_verdict(variant, why, wide)
                if (why := judged.why_none(variant))
                else verdict(delta, reach, width >= DRAWN)
            ],
        }
        named = "" if variant.short == variant.label else f"{variant.name}: "
        row = (cell for column in columns for cell in cells[column])
        table.add_row(Text(f"{named}{variant.label}"), *row)
    return table


def _cost_texts(cost: int, before: int, wide: bool) -> list[str | Text]:
    changed = Text.assemble((change(cost, before), "cyan"))
    return [short(cost), changed] if wide else [short(cost)]


def verdict(delta: Delta | None, reach: float, drawn: bool) -> Text:
    """Return the mark and the word, behind the interval where it is drawn, as far as `reach`."""
    if delta is None:
        return Text("")
    mark = Text(marked(delta.verdict, delta.holds), style=STYLES[delta.verdict])
    return Text(" ").join((interval(delta, reach), mark)) if drawn else mark


def _no_verdict(variant: ComparedVariant, why: str, wide: bool) -> Text:
    said = f"no verdict: {why}" if wide else variant.diverged.replace(" runs", "") or "no verdict"
    return Text(f"{MARKS['no verdict']} {said}", style=STYLES["no verdict"])


def delta_text(delta: Delta | None, wide: bool) -> str:
    """Return a difference with its interval: both ends, or in short how far it reaches."""
    if delta is None:
        return "-"
    if delta.mean is None:
        return "none"
    if delta.low is None or delta.high is None:
        return f"{delta.mean:+z.2f}"
    if wide:
        return f"{delta.mean:+z.2f} [{delta.low:+.2f}, {delta.high:+.2f}]"
    return f"{delta.mean:+z.2f} ± {max(delta.high - delta.mean, delta.mean - delta.low):.2f}"
