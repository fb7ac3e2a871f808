"""The tables of the page, as HTML; every text from outside is escaped."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fuseablate.io.escaping import html
from fuseablate.io.terminal import change, duration, short
from fuseablate.report.comparison import Comparison
from fuseablate.report.files.spec_cells import alone, compared, is_variant
from fuseablate.report.judged import Judged
from fuseablate.report.look import Look
from fuseablate.report.rows import Row, rows_of
from fuseablate.report.screen.bars import marked, reach_of
from fuseablate.runs import Record

BAR = 80  # pixels


def variants(judged: Judged, look: Look) -> str:
    """Return the table of the variants: costs, scores, differences with intervals, verdicts."""
    reach = reach_of(judged.analysis.deltas if judged.analysis else ())
    columns = look.columns_of(judged)
    titles = {
        "params": ["Params"],
        "macs": ["MACs"],
        "latency": ["Latency (ms)"],
        "score": [f"{judged.title} (%), mean ± sd"],
        "delta": ["Difference, 95 % interval", ""],
        "seeds": ["Seeds"],
        "verdict": ["Verdict"],
    }
    heads = ["Variant", *(title for column in columns for title in titles[column])]
    body = [_variant_row(row, columns, reach) for row in rows_of(judged, look.shown(judged))]
    return _table("Variants", heads, body, left=("Variant", "Verdict"))


def _variant_row(row: Row, columns: Sequence[str], reach: float) -> str:
    name = row.edits or row.variant
    under = f"<small>{html(row.variant)}</small>" if row.edits and row.variant != name else ""
    score = "none" if row.mean is None else f"{row.mean:.2f}"
    score += "" if row.sd is None else f" ± {row.sd:.2f}"
    delta = "" if row.delta is None else _minus(f"{row.delta:+z.2f}")
    if row.low is not None and row.high is not None:
        delta += f"<small>{_signed(row.low)} to {_signed(row.high)}</small>"
    latency = "" if row.latency_ms is None else f"{row.latency_ms:.3f}"
    seeds = str(row.seeds) if row.seeds == row.seeds_asked else f"{row.seeds} of {row.seeds_asked}"
    short_of = ' class="wrong"' if row.seeds < row.seeds_asked else ""
    cells = {
        "params": _cost(row.params, row.params_change),
        "macs": _cost(row.macs, row.macs_change),
        "latency": f'<td data-value="{_value(row.latency_ms)}">{latency}</td>',
        "score": f'<td data-value="{_value(row.mean)}">{score}</td>',
        "delta": f'<td data-value="{_value(row.delta)}">{delta}</td><td>{_bar(row, reach)}</td>',
        "seeds": f'<td data-value="{row.seeds}"{short_of}>{seeds}</td>',
        "verdict": f'<td class="text {_class(row.verdict)}" data-value="{row.verdict}">'
        f"{marked(row.verdict, row.holds)}{_small(row.holds or row.why)}</td>",
    }
    return (
        f'<tr><th scope="row" class="text" data-value="{html(name)}"><code>{html(name)}</code>'
        f"{under}</th>{''.join(cells[column] for column in columns)}</tr>"
    )


def _small(text: str) -> str:
    return f"<small>{html(text)}</small>" if text else ""


def _cost(value: int, share: float) -> str:
    changed = f"<small>{_minus(change(1 + share, 1))}</small>" if share else ""
    return f'<td data-value="{value}">{short(value)}{changed}</td>'


def _bar(row: Row, reach: float) -> str:
    """Draw the difference around zero, with its interval where there is one."""
    if row.delta is None:
        return ""

    def x(value: float) -> str:
        return f"{(value / reach + 1) / 2 * BAR:.1f}"

    line = (
        f'<line x1="{x(row.low)}" x2="{x(row.high)}" y1="9" y2="9"/>'
        if row.low is not None and row.high is not None
        else ""
    )
    return (
        f'<svg class="bar {_class(row.verdict)}" width="{BAR}" height="18" aria-hidden="true">'
        f'<line class="zero" x1="{BAR / 2}" x2="{BAR / 2}" y1="0" y2="18"/>{line}'
        f'<circle cx="{x(row.delta)}" cy="9" r="3"/></svg>'
    )


def specs(comparison: Comparison) -> str:
    """Return the network's table for each variant, the cells that it edits marked."""
    first = next(variant for variant in comparison.variants if variant.runs)
    reference = first.runs[0].spec
    parts = ["<h2>Networks</h2>", '<p class="hint">Marked: what differs from the first.</p>']
    some = [variant for variant in comparison.variants if variant.runs]
    for at, variant in enumerate(some):
        spec = variant.runs[0].spec
        other = not is_variant(spec, reference)
        found = alone(spec) if other else compared(spec, reference)
        said = ["another network: its rows are not compared"] if other else []
        said += [f"rows removed: {', '.join(found.removed)}"] if found.removed else []
        said += [f"rows added: {', '.join(found.added)}"] if found.added else []
        said += found.whole
        note = f'<p class="edited">{html("; ".join(said))}</p>' if said else ""
        rows = [
            "<tr>" + "".join(_spec_cell(c.text, c.before) for c in row) + "</tr>"
            for row in found.rows
        ]
        heads = [html(column) for column in found.columns]
        table = _table(variant.label, heads, rows, left=found.columns, sort=False)
        opened = " open" if at == min(1, len(some) - 1) else ""
        parts.append(
            f"<details{opened}><summary><code>{html(variant.label)}</code></summary>{note}"
            f"{table}</details>"
        )
    return "\n".join(parts)


def _spec_cell(text: str, before: str | None) -> str:
    if before is None:
        return f'<td class="text">{html(text)}</td>'
    old = f"<del>{html(before)}</del> " if before else ""
    return f'<td class="text edited">{old}<ins>{html(text)}</ins></td>'


def runs(comparison: Comparison) -> str:
    """Return the table of the runs."""
    heads = ["Variant", "Seed", "Epochs", "Val top-1", "Test top-1", "Test top-5", "Time", "Run"]
    body = []
    for variant in comparison.variants:
        for run in variant.runs:
            scores = [
                run.val.top1 if run.val else None,
                run.test.top1 if run.test else None,
                run.test.top5 if run.test else None,
            ]
            missing = "failed" if run.failure else "untested"
            cells = [
                f'<th scope="row" class="text" data-value="{html(variant.label)}">'
                f"<code>{html(variant.label)}</code></th>",
                f'<td data-value="{run.seed}">{run.seed}</td>',
                f'<td data-value="{len(run.curves)}">{len(run.curves)}</td>',
                *(_score(score, missing) for score in scores),
                f'<td data-value="{run.seconds}">{duration(run.seconds)}</td>',
                f'<td class="text" data-value="{html(run.digest)}"><code>'
                f"{html(run.digest[:16])}</code></td>",
            ]
            body.append("<tr>" + "".join(cells) + "</tr>")
    return _table("Runs", heads, body, left=("Variant", "Run"))


def _score(score: float | None, missing: str) -> str:
    percent = None if score is None else 100 * score
    text = missing if percent is None else f"{percent:.2f}"
    return f'<td data-value="{_value(percent)}">{text}</td>'


def setting(comparison: Comparison) -> str:
    """Return the recipe of the reference and where its runs and all others were trained."""
    every = [run for variant in comparison.variants for run in variant.runs]
    lines = [(key, _text(value)) for key, value in every[0].recipe.items()]
    lines += [(key, " / ".join(values)) for key, values in _environment(every).items()]
    inner = "\n".join(f"<dt>{html(key)}</dt><dd>{html(value)}</dd>" for key, value in lines)
    return f"<dl>{inner}</dl>"


def _environment(every: Iterable[Record]) -> Mapping[str, list[str]]:
    """Return for each key the values that runs have, each once."""
    found: dict[str, list[str]] = {}
    for run in every:
        for key, value in run.environment.items():
            values = found.setdefault(key, [])
            if _text(value) not in values:
                values.append(_text(value))
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _table(
    name: str, heads: Sequence[str], rows: Sequence[str], left: Sequence[str], sort: bool = True
) -> str:
    """Return a table in a frame that scrolls; `heads` are HTML, an empty one is a column's bar."""
    cells = []
    for head in heads:
        side = ' class="text"' if head in left else ""
        inner = f'<button type="button">{head}</button>' if sort and head else head
        cells.append(f'<th scope="col"{side}>{inner}</th>' if head else "<td></td>")
    kind = ' class="sortable"' if sort else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{html(name)}">'
        f"<table{kind}>\n<thead><tr>{''.join(cells)}</tr></thead>\n<tbody>\n"
        + "\n".join(rows)
        + "\n</tbody></table></div>"
    )


def _signed(value: float) -> str:
    return _minus(f"{value:+.2f}")


def _minus(text: str) -> str:
    return text.replace("-", "\u2212")


def _value(value: float | None) -> str:
    return "" if value is None else repr(value)


def _class(verdict: str) -> str:
    return verdict.replace(" ", "-")
