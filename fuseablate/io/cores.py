"""The CPU cores of this process."""

from __future__ import annotations

import math
import os
from pathlib import Path

CONTROL_GROUPS = Path("/sys/fs/cgroup")  # in a container: its own


def usable_cores() -> int:
    """Return the number of CPU cores that this process may use, a container's quota rounded up."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quota = cpu_quota(CONTROL_GROUPS)
    return cores if quota is None else min(cores, math.ceil(quota))


def cpu_quota(group: Path) -> float | None:
    """Return the CPU time, in cores, that a control group (version 2 or 1) grants; None for all."""
    files = [group / "cpu.max"]
    if not files[0].exists():
        files = [group / "cpu" / f"cpu.cfs_{name}_us" for name in ("quota", "period")]
    try:
        quota, period = [int(word) for file in files for word in file.read_text().split()]
    except (OSError, ValueError):  # there is none, or it is `max`
        return None
    return quota / period if quota > 0 and period > 0 else None
