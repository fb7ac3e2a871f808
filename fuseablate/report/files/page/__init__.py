"""The report as one HTML file that needs nothing else: no network, no other file.

The style and the script are the files beside this module; they are written into the page.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib import resources
from string import Template
from typing import Any

from fuseablate.io.escaping import html, plain
from fuseablate.report.comparison import Comparison
from fuseablate.report.files.curve_bands import MEASURES, band
from fuseablate.report.files.dots import Dot, dots_of
from fuseablate.report.files.page import figures, search, tables
from fuseablate.report.judged import Judged, views
from fuseablate.report.look import Look
from fuseablate.report.screen.report import failures
from fuseablate.report.words import conclusion, statistics_lines


def as_html(comparisons: Sequence[Comparison], look: Look) -> str:
    """Return the page: an article for each comparison."""
    script = _asset("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    judged = [views(comparison, look.metric) for comparison in comparisons]
    data = json.dumps([_data(each) for each in judged], allow_nan=False)
    titles = [comparison.title or comparison.spec for comparison in comparisons]
    return Template(_asset("page.html")).substitute(
        title=html(f"{', '.join(dict.fromkeys(titles))} · fuseablate report"),
        style=_asset("page.css"),
        script=script,
        script_hash=f"sha256-{digest}",
        data=data.replace("<", "\\u003c"),  # no text can end the element that holds it
        body=f"<main>\n{''.join(_article(*each, look) for each in enumerate(judged))}</main>",
    )


def _asset(name: str) -> str:
    return (resources.files(__name__) / name).read_text(encoding="utf-8")


def _data(every: Sequence[Judged]) -> dict[str, Any]:
    """Return what the script draws."""
    deltas = {
        variant.key: delta
        for judged in every
        for variant in judged.variants
        if (delta := judged.delta(variant))
    }
    order = [variant.key for variant in every[0].comparison.variants]
    return {
        "metric": every[0].title,
        "dots": [
            {
                **asdict(dot),
                **{key: plain(getattr(dot, key)) for key in ("name", "edits", "label")},
                "index": order.index(dot.key),
                "delta": deltas[dot.key].mean if dot.key in deltas else None,
                "delta_low": deltas[dot.key].low if dot.key in deltas else None,
                "delta_high": deltas[dot.key].high if dot.key in deltas else None,
            }
            for dot in dots_of(*every)
        ],
        "curves": [
            {
                "index": at,
                "bands": {measure: asdict(band(variant.runs, measure)) for measure in MEASURES},
            }
            for at, variant in enumerate(every[0].comparison.variants)
            if any(len(run.curves) for run in variant.runs)
        ],
    }


def _article(at: int, every: Sequence[Judged], look: Look) -> str:
    raw, *equal = every
    comparison = raw.comparison
    dots: list[Dot] = dots_of(*every)
    parts = [
        "<article>",
        f"<h1>{html(comparison.title or comparison.spec)}</h1>",
        *_if(comparison.question, '<p class="question">{}</p>'),
        f'<p class="setting">{html(comparison.setting)}</p>',
        *_if(conclusion(raw), '<p class="finding">{}</p>'),
        tables.variants(raw, look),
        *_if(" ".join(statistics_lines(raw)), '<p class="method">{}</p>'),
    ]
    for judged in equal:
        parts += [
            "<h2>At the reference&rsquo;s cost</h2>",
            "<p>Each variant rescaled in width to what the reference costs.</p>",
            *_if(conclusion(judged), '<p class="finding">{}</p>'),
            tables.variants(judged, look),
            *_if(" ".join(statistics_lines(judged)), '<p class="method">{}</p>'),
        ]
    parts += [f'<p class="method">{html(note)}</p>' for note in comparison.notes]
    parts += [f'<p class="wrong">{html(line)}</p>' for line in failures(comparison)]
    if comparison.search:
        parts.append(search.best(comparison.search))
    if dots:
        parts.append(figures.scatter(at, raw.title, dots, comparison))
    if any(len(run.curves) for variant in comparison.variants for run in variant.runs):
        parts.append(figures.curves(at, comparison))
    if any(variant.runs for variant in comparison.variants):
        parts += [
            tables.specs(comparison),
            "<h2>Runs</h2>",
            tables.runs(comparison),
            "<h2>Recipe and environment</h2>",
            tables.setting(comparison),
        ]
    return "\n".join([*parts, "</article>\n"])


def _if(text: str, frame: str) -> list[str]:
    return [frame.format(html(text))] if text else []
