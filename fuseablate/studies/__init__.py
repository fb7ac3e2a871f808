"""Studies: edits x seeds, planned, trained and filed.

In comes a study file (`load_study`); out come its plan (`plan.make_plan`), and of its runs
(`execute.execute`) the records in the store, with a manifest of what the study compares.
"""

from __future__ import annotations

from fuseablate.studies.study import Study, load_study

__all__ = [
    "Study",
    "load_study",
]
