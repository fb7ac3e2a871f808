"""The report in written forms: CSV, JSON, Markdown, LaTeX, HTML, and a plot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fuseablate.report.analysis import AnalysedComparison
from fuseablate.report.files.data import as_csv, as_json
from fuseablate.report.files.documents import as_markdown
from fuseablate.report.files.page import as_html
from fuseablate.report.files.tex import as_latex

__all__ = ["WRITERS"]

WRITERS: Mapping[str, Callable[[Sequence[AnalysedComparison]], str]] = {
    "markdown": as_markdown,
    "latex": as_latex,
    "csv": as_csv,
    "json": as_json,
    "html": as_html,
}
