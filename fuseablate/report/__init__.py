"""Reports: what has been trained, compared. Without torch.

In come records, alone or with the manifest of their study; out comes a `Comparison` of variants,
which is analysed once, and then written: on a terminal (`screen`) or to files (`files`).
"""

from __future__ import annotations

from fuseablate.report.comparison import Comparison, of_records, of_study
from fuseablate.report.look import COLUMNS, SORTS, Look, read_columns

__all__ = [
    "COLUMNS",
    "SORTS",
    "Comparison",
    "Look",
    "of_records",
    "of_study",
    "read_columns",
]
