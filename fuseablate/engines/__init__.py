"""Engines: where the runs of a study are trained. Without torch.

In come jobs; out come events that say what became of them, in the contract of `Engine`.
"""

from __future__ import annotations

from fuseablate.engines.base import Engine, Event, Job, StartEngine
from fuseablate.engines.table import ENGINES
from fuseablate.engines.worker import offer_data
from fuseablate.engines.workers import Asked, Workers, gpu_numbers

__all__ = [
    "ENGINES",
    "Asked",
    "Engine",
    "Event",
    "Job",
    "StartEngine",
    "Workers",
    "gpu_numbers",
    "offer_data",
]
