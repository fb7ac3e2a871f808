"""The report as a terminal shows it."""

from __future__ import annotations

from fuseablate.report.screen.report import comparison_rows, print_report

__all__ = [
    "comparison_rows",
    "print_report",
]
