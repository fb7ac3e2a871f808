"""What the page shows of a search: how its best rose with its trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fuseablate.io.escaping import html
from fuseablate.report.best_so_far import best_so_far, heading, shown_counts, words
from fuseablate.runs import Searched

WIDTH, HEIGHT = 720, 260  # of the drawing's own units
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 24, 40
TICKS = 4  # steps of the vertical axis


def best(did: Searched) -> str:
    """Return the curves of the best validation top-1 so far, as a drawing and as a table."""
    curves = best_so_far(did)
    if not curves:
        return ""
    keys = "".join(
        f'<span class="key s{at}"><svg width="16" height="16" aria-hidden="true">'
        f'<line class="line" x1="0" x2="16" y1="8" y2="8"/></svg>{html(heading(name))}</span>'
        for at, name in enumerate(curves)
    )
    said = f'<p class="method">{html(words(did))}</p>' if words(did) else ""
    return f"""<h2>Best so far</h2>
<figure>
{_drawing(curves)}
<div class="controls">{keys}</div>
<figcaption>The best validation top-1 (%) after so many trials. A trial that was pruned or failed
counts as the lowest of the others.</figcaption>
</figure>
{said}
{_table(curves)}"""


def _drawing(curves: Mapping[str, Sequence[float]]) -> str:
    most = max(len(curve) for curve in curves.values())
    low = min(curve[0] for curve in curves.values())
    high = max(curve[-1] for curve in curves.values())
    span = (high - low) or 1.0

    def x(count: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (count - 1) / max(1, most - 1)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / span

    parts = [
        f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-label="Best validation top-1 so far against trials">'
    ]
    for value in (low + span * step / TICKS for step in range(TICKS + 1)):
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" '
            f'y2="{y(value):.1f}"/><text x="{LEFT - 8}" y="{y(value) + 4:.1f}" '
            f'text-anchor="end">{value:.1f}</text>'
        )
    for count in dict.fromkeys((1, (most + 1) // 2, most)):
        parts.append(
            f'<text x="{x(count):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">'
            f"{count:,}</text>"
        )
    parts.append('<text x="0" y="14">Best validation top-1 (%)</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 4}" text-anchor="end">Trials</text>')
    for at, curve in enumerate(curves.values()):
        path = f"M{x(1):.1f},{y(curve[0]):.1f}" + "".join(
            f"H{x(count):.1f}V{y(value):.1f}" for count, value in enumerate(curve[1:], start=2)
        )
        parts.append(f'<g class="s{at}"><path class="line" d="{path}"/></g>')
    return "".join([*parts, "</svg>"])


def _table(curves: Mapping[str, Sequence[float]]) -> str:
    heads = "".join(f'<th scope="col">{html(heading(name))}</th>' for name in curves)
    rows = "".join(
        f'<tr><th scope="row">{count:,}</th>'
        + "".join(
            f"<td>{f'{curve[count - 1]:.2f}' if count <= len(curve) else ''}</td>"
            for curve in curves.values()
        )
        + "</tr>"
        for count in shown_counts(curves)
    )
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Best so far"><table><thead>'
        f'<tr><th scope="col">Trials</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
    )
