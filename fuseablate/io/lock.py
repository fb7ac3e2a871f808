"""Locks of files: held by one process, and gone with it. Without torch."""

from __future__ import annotations

import fcntl
import time
from pathlib import Path
from typing import IO, Any

LOCK = "lock"  # the file of a folder that is held
LOCK_SECONDS = 0.5  # seconds; a look whether a folder is held holds its lock for less


def take(file: IO[Any] | int) -> bool:
    """Hold an open file, or descriptor, until it is closed; False where another process does."""
    deadline = time.monotonic() + LOCK_SECONDS
    while not _locked(file, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def is_held(folder: Path) -> bool:
    """Return whether a process holds a folder: a run's, or a study's."""
    try:
        with (folder / LOCK).open("rb") as lock:
            return not _locked(lock, fcntl.LOCK_SH)
    except OSError:  # no lock, or none that this process may read
        return False


def _locked(file: IO[Any] | int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
