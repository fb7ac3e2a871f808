"""Engines: where the runs of a study are trained. Without torch.

In come jobs; out come events that say what became of them, in the contract of `Engine`.
"""

from __future__ import annotations

from fuseablate.engines.base import Engine, Event, Job, StartEngine
from fuseablate.engines.table import ENGINES
from fuseablate.engines.workers import (
    Workers,
    choose_workers,
    gpu_numbers,
    most_workers,
    usable_cores,
)

__all__ = [
    "ENGINES",
    "Engine",
    "Event",
    "Job",
    "StartEngine",
    "Workers",
    "choose_workers",
    "gpu_numbers",
    "most_workers",
    "usable_cores",
]
