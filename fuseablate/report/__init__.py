"""Reports: what has been trained, compared. Without torch.

In come records, alone or with the manifest of their study; out comes a `Comparison` of variants.
`analyse` computes and says all that a report holds of it, once; then it is written: on a terminal
(`screen`) or to files (`files`).
"""

from __future__ import annotations

from fuseablate.report.analysis import AnalysedComparison, analyse
from fuseablate.report.collect import of_records, of_study
from fuseablate.report.columns import COLUMN_NAMES, run_table
from fuseablate.report.comparison import METRICS, Comparison
from fuseablate.report.options import SORTS, ReportOptions, column_named, read_columns

__all__ = [
    "COLUMN_NAMES",
    "METRICS",
    "SORTS",
    "AnalysedComparison",
    "Comparison",
    "ReportOptions",
    "analyse",
    "column_named",
    "of_records",
    "of_study",
    "read_columns",
    "run_table",
]
