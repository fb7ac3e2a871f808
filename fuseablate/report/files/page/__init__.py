"""The report as one HTML file that needs nothing else: no network, no other file.

The templates, the style and the script are the files beside this module. Jinja escapes each text
that the templates write, after control characters have been taken out of it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from fuseablate.io.escaping import plain
from fuseablate.report.analysis import AnalysedComparison
from fuseablate.report.columns import EFFECT_COLUMNS, RUN_COLUMNS, typographic
from fuseablate.report.differences import marked
from fuseablate.report.files.page.figures import (
    MEASURES,
    best_drawing,
    plotted_costs,
    script_data,
    text_of,
)
from fuseablate.report.files.page.networks import networks, setting
from fuseablate.report.files.page.searched import searched, trials_data
from fuseablate.report.marks import COLOURS


def as_html(reports: Sequence[AnalysedComparison]) -> str:
    """Return the page: an article for each comparison."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    loader = PackageLoader(__name__, ".")
    environment = Environment(
        loader=loader,
        autoescape=True,
        finalize=_finalized,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "class": lambda verdict: verdict.replace(" ", "-"),
        "marked": lambda delta: marked(delta.verdict, delta.holds),
        "minus": typographic,
        "pixel": lambda value: f"{value:.1f}",
        "value": lambda value: "" if value is None else value,
    }
    environment.globals |= {
        "best_drawing": best_drawing,
        "effect_columns": EFFECT_COLUMNS,
        "measures": {name: measure.title for name, measure in MEASURES.items()},
        "networks": networks,
        "plotted_costs": plotted_costs,
        "run_columns": [column for column in RUN_COLUMNS if not column.roomy],
        "searched": searched,
        "setting": setting,
        "text_of": text_of,
    }

    style, script = (loader.get_source(environment, name)[0] for name in ("page.css", "page.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    data = json.dumps([_script_data(report) for report in reports], allow_nan=False)
    return environment.get_template("page.html").render(
        title=", ".join(dict.fromkeys(report.title for report in reports)),
        reports=reports,
        style=Markup(f"{style}{_colours()}"),
        script=Markup(script),
        script_hash=f"sha256-{digest}",
        data=Markup(data.replace("<", "\\u003c")),  # no text can end the element that holds it
    )


def _colours() -> str:
    """Return the colours of plots as rules for the light page."""
    light = "; ".join(f"--o{at}: {colour}" for at, colour in enumerate(COLOURS))
    return f"@media print, (prefers-color-scheme: light) {{ :root {{ {light}; }} }}\n"


def _script_data(report: AnalysedComparison) -> dict[str, Any]:
    search = report.comparison.search
    return {**script_data(report), "search": trials_data(search) if search else None}


def _finalized(value: Any) -> Any:
    """Return what is written of a value: of text no control character, of HTML all."""
    return plain(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
