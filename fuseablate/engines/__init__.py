"""Engines: where the runs of a study are trained. Without torch.

In come jobs; out come events that say what became of them, in the contract of `Engine`.
"""

from __future__ import annotations

from fuseablate.engines.base import ENDS, Engine, Event, EventKind, Job
from fuseablate.engines.local import LocalEngine
from fuseablate.engines.workers import (
    Workers,
    gpu_numbers,
    most_workers,
    plan_workers,
    usable_cores,
)

__all__ = [
    "ENDS",
    "Engine",
    "Event",
    "EventKind",
    "Job",
    "LocalEngine",
    "Workers",
    "gpu_numbers",
    "most_workers",
    "plan_workers",
    "usable_cores",
]
