"""What runs and studies leave behind on the disk. Without torch, but for `weights`.

In come results; out come records that say all about a run (`Record`), from a `Store` with a folder
for each run, named by the digest of what determines its result; and of each study its manifest
(what it is) and its status (how far it is). `transfer` takes runs from one store to another.
"""

from __future__ import annotations

from fuseablate.runs.identity import alike, differing, networks_of
from fuseablate.runs.lookup import record_named, select_runs
from fuseablate.runs.manifest import (
    BASELINE,
    JOURNAL,
    MANIFEST,
    MATTERS,
    Manifest,
    PlannedVariant,
    Searched,
    Trial,
    Tuned,
    beneath,
)
from fuseablate.runs.needed import plugins_needed
from fuseablate.runs.output import check_output, write_output
from fuseablate.runs.record import (
    Curves,
    FailedPart,
    Failure,
    Record,
    Score,
    TeacherCost,
    TestScore,
    pack_bits,
    read_record,
)
from fuseablate.runs.run_list import ListedRun, listed_runs
from fuseablate.runs.scores import ZeroCostScores
from fuseablate.runs.status import STATUS, RunState, RunStatus, StudyStatus, held
from fuseablate.runs.store import (
    NEWEST,
    PREVIOUS,
    RECORD,
    WEIGHTS,
    RunFolder,
    Store,
    run_digest,
    run_digests,
)
from fuseablate.runs.stored import ENDED, STATUSES, StoredRun, stored_run
from fuseablate.runs.study_list import listed_studies
from fuseablate.runs.teacher import teacher_cost, teacher_of
from fuseablate.runs.unfinished import DESCRIPTION, Description

__all__ = [
    "BASELINE",
    "DESCRIPTION",
    "ENDED",
    "JOURNAL",
    "MANIFEST",
    "MATTERS",
    "NEWEST",
    "PREVIOUS",
    "RECORD",
    "STATUS",
    "STATUSES",
    "WEIGHTS",
    "Curves",
    "Description",
    "FailedPart",
    "Failure",
    "ListedRun",
    "Manifest",
    "PlannedVariant",
    "Record",
    "RunFolder",
    "RunState",
    "RunStatus",
    "Score",
    "Searched",
    "Store",
    "StoredRun",
    "StudyStatus",
    "TeacherCost",
    "TestScore",
    "Trial",
    "Tuned",
    "ZeroCostScores",
    "alike",
    "beneath",
    "check_output",
    "differing",
    "held",
    "listed_runs",
    "listed_studies",
    "networks_of",
    "pack_bits",
    "plugins_needed",
    "read_record",
    "record_named",
    "run_digest",
    "run_digests",
    "select_runs",
    "stored_run",
    "teacher_cost",
    "teacher_of",
    "write_output",
]
