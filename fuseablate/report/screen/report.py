"""The report as a terminal shows it: a table of variants, what it means, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from fuseablate.report.analysis import AnalysedComparison, Section
from fuseablate.report.screen.drawings import scatter, strip
from fuseablate.report.screen.searched import print_searched
from fuseablate.report.screen.tables import print_effects, print_runs, print_variants
from fuseablate.report.words import points

FEW_RUNS = 12  # runs up to which each is shown unasked


def print_report(reports: Sequence[AnalysedComparison], out: Console) -> None:
    """Print each comparison."""
    for report in reports:
        print_comparison(report, out)
        out.print()


def print_comparison(report: AnalysedComparison, out: Console) -> None:
    """Print a comparison's tables, its statistics in words, its front, its runs."""
    comparison = report.comparison
    if comparison.title:
        question = f"  {comparison.question}" if comparison.question else ""
        out.print(Text.assemble((comparison.title, "bold"), question))
    recipe = f", recipe {comparison.recipe}" if comparison.recipe else ""
    out.print(Text.assemble((comparison.data, "bold"), recipe))
    if comparison.search:
        print_searched(comparison.search, out)
    for section in report.sections:
        if section.equal_cost:
            head = ("At the reference's cost", "bold")
            out.print(Text.assemble(head, ": each variant rescaled in width"))
        _print_section(report, section, out)
    _print_factors(report, out)
    _print_scatter(report, out)
    for note in comparison.notes:
        out.print(note, style="yellow")
    runs = len(comparison.runs)
    if runs and (report.options.all_runs or runs <= FEW_RUNS):
        print_runs(comparison, out)
    for line in comparison.failures:
        out.print(line, style="red")
    said = "Accuracies in percent, mean ± standard deviation over seeds."
    if comparison.given:
        out.print(said.replace("Accuracies", "Scores"), style="dim")
        return
    read = "has not been read" if comparison.untested else "was read once, at the end of each run"
    out.print(
        f"{said} The test set {read}. MACs: convolutions and linear layers, one image.",
        style="dim",
    )


def _print_section(report: AnalysedComparison, section: Section, out: Console) -> None:
    print_variants(report, section, out)
    out.print()
    if section.conclusion:
        out.print(Text(section.conclusion, style="bold"))
    if any(delta.holds for delta in section.statistics.deltas):
        out.print(
            "▲▲ ▼▼ ≈≈ hold whatever the spreads of the variants, ▲ ▼ ≈ if they are alike; ≈ same: "
            f"within plus or minus {points(section.statistics.matters)}.",
            style="dim",
        )
    for line in section.method:
        out.print(line, style="dim")
    out.print()


def _print_factors(report: AnalysedComparison, out: Console) -> None:
    """Print what a design with factors tells beyond its variants."""
    if report.effects:
        if report.effects.deltas:
            print_effects(report.effects.deltas, out)
        out.print(report.effects.note, style="dim")
    if report.losses:
        head = ("What each row loses by the edit", "bold")
        out.print(Text.assemble(head, " (the tallest block loses the most)"))
        for line in strip(report.losses):
            out.print(line)


def _print_scatter(report: AnalysedComparison, out: Console) -> None:
    variants = [
        row
        for row in report.sections[0].variants
        if row.mean is not None and row.variant.cost(report.cost.name) is not None
    ]
    if report.cost.measured and not variants:
        out.print("No latency was measured: there is nothing to plot.", style="dim")
    if len(variants) > 2:
        *plot, legend = scatter(variants, report.cost, report.metric_title, out.width)
        for line in plot:
            out.print(line, no_wrap=True)
        out.print(legend)
        out.print()
