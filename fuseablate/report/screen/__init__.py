"""The report as a terminal shows it."""

from __future__ import annotations

from fuseablate.report.screen.report import print_report

__all__ = ["print_report"]
