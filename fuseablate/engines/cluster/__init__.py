"""The engine of a Ray cluster: actors train the runs, and the driver keeps the run store.

In come jobs; out come the events of any engine. Needs the extra `ray`, which is imported when a
cluster is asked for. Without torch, until data are sent.
"""

from __future__ import annotations

from fuseablate.engines.cluster.engine import RayEngine
from fuseablate.engines.cluster.workers import ray_workers

__all__ = ["RayEngine", "ray_workers"]
