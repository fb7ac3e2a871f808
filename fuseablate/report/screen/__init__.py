"""The report as a terminal shows it."""

from __future__ import annotations

from fuseablate.report.screen.report import print_comparison, print_report
from fuseablate.report.screen.tables import print_variant

__all__ = ["print_comparison", "print_report", "print_variant"]
