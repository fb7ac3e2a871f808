"""What the figures of the page draw: points, curves over epochs, and a search's best."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fuseablate.cost import SUMMARY, CostKind, cost_kind
from fuseablate.io.escaping import plain
from fuseablate.report.analysis import AnalysedComparison, front_of
from fuseablate.report.columns import delta_cell, typographic
from fuseablate.report.comparison import ComparedVariant
from fuseablate.report.differences import AnalysedVariant
from fuseablate.report.marks import COLOURS, LEAST_SPAN, colour_of
from fuseablate.report.search_progress import (
    best_so_far,
    curve_title,
    curves_note,
    shown_counts,
)
from fuseablate.runs import Record, Searched

WIDTH, HEIGHT = 480, 228  # of a drawing of curves over trials, in its own units
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 32, 40
TICKS = 4  # steps of its vertical axis


@dataclass(frozen=True)
class Measure:
    """What a training curve shows, which a record has for each epoch."""

    title: str
    axis: str
    factor: float
    """Shares become percent."""


MEASURES = {
    "val_top1": Measure("Validation top-1", "Validation top-1 (%)", 100),
    "train_top1": Measure("Training top-1", "Training top-1 (%)", 100),
    "val_loss": Measure("Validation loss", "Validation loss", 1),
    "train_loss": Measure("Training loss", "Training loss", 1),
}


def plotted_costs(report: AnalysedComparison) -> dict[str, str]:
    """Return the titles of the costs that a variant of the plot has."""
    return {
        name: cost_kind(name).title
        for name in dict.fromkeys((*report.options.costs, *report.comparison.costs))
        if any(row.variant.cost(name) is not None for row in report.plotted)
    }


def script_data(report: AnalysedComparison) -> dict[str, Any]:
    """Return what the script draws; a variant is known by its place in the comparison."""
    costs = {name: cost_kind(name) for name in plotted_costs(report)}
    index = {variant.key: at for at, variant in enumerate(report.comparison.variants)}
    return {
        "metric": report.metric_title,
        "colours": [css_colour(at) for at in range(len(report.comparison.variants))],
        "names": [plain(variant.name) for variant in report.comparison.variants],
        "texts": [text_of(variant) for variant in report.comparison.variants],
        "costs": {name: kind.label for name, kind in costs.items()},
        "span": LEAST_SPAN,
        "measures": {name: measure.axis for name, measure in MEASURES.items()},
        "points": [_point(row, index[row.variant.key], costs) for row in report.plotted],
        "fronts": {
            name: sorted(index[key] for key in front_of(report.plotted, kind))
            for name, kind in costs.items()
        },
        "curves": [
            {"index": index[variant.key], "bands": {name: band(runs, name) for name in MEASURES}}
            for variant in report.comparison.variants
            for runs in ([run for run in variant.runs if len(run.curves)],)
            if runs
        ],
    }


def css_colour(place: int) -> str:
    """Return a variant's colour for the style sheet, whose first ones have a form for the dark."""
    return f"var(--o{place})" if place < len(COLOURS) else colour_of(place)


def text_of(variant: ComparedVariant) -> str:
    """Return what the filter of the page looks for a text in."""
    return plain(f"{variant.name} {variant.beneath}".lower())


def _point(row: AnalysedVariant, index: int, costs: Mapping[str, CostKind]) -> dict[str, Any]:
    low, high = row.span or (None, None)
    return {
        "index": index,
        "label": plain(row.variant.plot_label),
        "lines": [plain(line) for line in _lines(row, costs)],
        "costs": {name: _in_unit(kind, row.variant.cost(name)) for name, kind in costs.items()},
        "mean": row.mean,
        "low": low,
        "high": high,
        "scores": row.scores,
        "equal": row.variant.iso_of is not None,
    }


def _in_unit(kind: CostKind, value: float | None) -> float | None:
    return None if value is None else kind.in_unit(value)


def _lines(row: AnalysedVariant, costs: Mapping[str, CostKind]) -> list[str]:
    """Return what is said of a variant where it is pointed at."""
    lines = [row.variant.beneath] if row.variant.beneath else []
    lines.append(f"{row.mean:.2f} % over {len(row.scores)} of {len(row.variant.seeds)} seeds")
    if row.delta and row.delta.mean is not None:
        cell = delta_cell(row.delta)
        interval = f"95 % interval {cell.detail}" if cell.detail else "no interval"
        verdict = ", ".join(filter(None, (row.verdict, row.holds)))
        lines.append(
            f"{typographic(f'{cell.text} points to the reference, {interval}')}: {verdict}"
        )
    else:
        lines.append(": ".join(filter(None, (row.verdict, row.why))))
    kinds = {name: cost_kind(name) for name in (*SUMMARY, *costs)}
    values = [(kind, row.variant.cost(name)) for name, kind in kinds.items()]
    lines.append(", ".join(kind.counted(value) for kind, value in values if value is not None))
    lines.append(f"Seeds: {', '.join(f'{seed}: {s:.2f}' for seed, s in row.scores.items())}")
    if row.variant.iso_of:
        lines.append("Rescaled to the cost of the reference")
    return lines


def band(runs: Sequence[Record], measure: str) -> dict[str, list[float]]:
    """Return the mean, the lowest and the highest of the runs that reached each epoch."""
    curves = [getattr(run.curves, measure) for run in runs]
    epochs = [
        [MEASURES[measure].factor * curve[at] for curve in curves if at < len(curve)]
        for at in range(max(map(len, curves), default=0))
    ]
    return {
        "mean": list(map(statistics.fmean, epochs)),
        "low": list(map(min, epochs)),
        "high": list(map(max, epochs)),
    }


def best_drawing(search: Searched) -> dict[str, Any] | None:
    """Return the curves of the best so far with their places in the drawing; None without any."""
    curves = {curve_title(name): scores for name, scores in best_so_far(search).items()}
    if not curves:
        return None
    note = curves_note(best_so_far(search))
    return {**steps_drawing(curves, "Best validation top-1 (%)", 1), "note": note}


def steps_drawing(curves: Mapping[str, Sequence[float]], axis: str, digits: int) -> dict[str, Any]:
    """Return curves over trials, by their titles, with their places in the drawing."""
    most = max(len(curve) for curve in curves.values())
    low = min(curve[0] for curve in curves.values())
    span = (max(curve[-1] for curve in curves.values()) - low) or 1.0

    def x(count: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (count - 1) / max(1, most - 1)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / span

    def path(scores: Sequence[float]) -> str:
        steps = (f"H{x(n):.1f}V{y(score):.1f}" for n, score in enumerate(scores[1:], start=2))
        return f"M{x(1):.1f},{y(scores[0]):.1f}{''.join(steps)}"

    marks = [low + span * step / TICKS for step in range(TICKS + 1)]
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "right": WIDTH - RIGHT,
        "bottom": HEIGHT - BOTTOM,
        "up": [(y(value), f"{value:.{digits}f}") for value in marks],
        "across": [(x(n), f"{n:,}") for n in dict.fromkeys((1, (most + 1) // 2, most))],
        "curves": [
            {"title": title, "scores": scores, "path": path(scores), "colour": css_colour(at)}
            for at, (title, scores) in enumerate(curves.items())
        ],
        "counts": shown_counts(curves),
        "axis": axis,
    }
