"""What a design with factors tells beyond its variants: effects, interactions, rows."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fuseablate.io.terminal import fitted, named_table
from fuseablate.report.judged import METRICS, Judged
from fuseablate.report.screen.bars import reach_of, strip
from fuseablate.report.screen.variant_table import delta_text, verdict
from fuseablate.stats import Delta, effects
from fuseablate.stats.effects import shared


def print_effects(judged: Judged, out: Console) -> None:
    """Print main effects, and the interactions where the design holds all combinations."""
    if lost := [variant.short for variant in judged.variants if variant.diverged]:
        said = f"Effects: not told; runs of {', '.join(lost)} diverged."
        out.print(said, style="dim", markup=False)
        return
    scores = {v.key: v.scores(*METRICS[judged.metric]) for v in judged.variants}
    levels = {variant.key: variant.levels for variant in judged.variants}
    whole = judged.comparison.design == "factorial"
    found = effects(scores, levels, interactions=whole, looks=judged.comparison.looks)
    if not found:
        out.print(
            "Effects: not told; they need two seeds, the same of all variants, and a spread "
            "between them.",
            style="dim",
        )
        return
    shown = [
        Delta(" with ".join(f"{f}={level}" for f, level in zip(e.factors, e.levels, strict=True)),
              0, e.mean, e.robust, e.alike, judged.comparison.matters)
        for e in found
    ]  # fmt: skip
    reach = reach_of(shown)
    by = len(shared(list(scores.values())))
    most = max(map(len, scores.values()))
    told = f", by the {by} that all variants have" if by < most else ""

    def make(_: Sequence[str], tight: int) -> Table:
        table = named_table("Effect", 1 if tight else 2, "Effects", least=None)
        table.add_column("Points [95 %]", justify="right", no_wrap=True)
        table.add_column("", no_wrap=True)
        for one in shown:
            cells = (
                (Text("none"), Text("the same networks", style="dim"))
                if one.low == one.high
                else (delta_text(one, tight < 2), verdict(one, reach, tight < 2))
            )
            table.add_row(Text(one.variant), *cells)
        return table

    table, _ = fitted(make, (), (), out)
    out.print(table)
    out.print(
        "A main effect: the mean over the other factors' levels. Two together: how much larger "
        "the one's effect is where the other is there. Simultaneous by Bonferroni, of the error of "
        f"the seeds{told}.",
        style="dim",
    )


def print_rows(judged: Judged, out: Console) -> None:
    """Print the strip of a per-row study: how much each row loses by the edit."""
    losses: dict[str, float | None] = {}
    for variant in judged.variants[1:]:
        delta = judged.delta(variant)
        loss = -delta.mean if delta and delta.mean is not None else None
        losses |= {cell["row"]: loss for cell in variant.levels}
    if all(loss is None for loss in losses.values()):
        return
    head = ("What each row loses by the edit", "bold")
    out.print(Text.assemble(head, " (the tallest block loses the most)"))
    for line in strip(losses):
        out.print(line)
