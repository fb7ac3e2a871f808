"""Reports: what has been trained, compared. Without torch.

In come records, alone or with the manifest of their study, or results of elsewhere; out comes a
`Comparison` of variants. `analyse` computes and says all that a report holds of it, once; then it
is written: on a terminal (`screen`) or to files (`files`). A `Report` is what users have of it.
"""

from __future__ import annotations

from fuseablate.report.analysis import analyse
from fuseablate.report.collect import of_records, of_study, trials_of
from fuseablate.report.columns import COLUMN_NAMES, run_table
from fuseablate.report.comparison import METRICS, Comparison
from fuseablate.report.options import ReportOptions, read_columns, read_sort
from fuseablate.report.report import Report, compare

__all__ = [
    "COLUMN_NAMES",
    "METRICS",
    "Comparison",
    "Report",
    "ReportOptions",
    "analyse",
    "compare",
    "of_records",
    "of_study",
    "read_columns",
    "read_sort",
    "run_table",
    "trials_of",
]
