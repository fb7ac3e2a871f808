"""Locks of folders: held by one process, and gone with it. Without torch."""

from __future__ import annotations

import fcntl
import time
from pathlib import Path
from typing import IO, Any

LOCK = "lock"
PATIENCE = 0.5  # seconds; a look whether a folder is held holds its lock for less


def take(lock: IO[Any]) -> bool:
    """Hold an open lock file until it is closed; return False where another process holds it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        else:
            return True


def is_held(folder: Path) -> bool:
    """Return whether a process holds a folder: a run's, or a study's."""
    try:
        with (folder / LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no lock, or none that this process may read
        return False
    return False
