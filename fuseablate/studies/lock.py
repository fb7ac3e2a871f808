"""The lock of a study's folder: one process at a time runs the study. Without torch."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from fuseablate.errors import InputError

PATIENCE = 0.5  # seconds; a look whether a study runs holds its lock for less


@contextmanager
def held(folder: Path, study: str) -> Iterator[None]:
    """Hold a study's folder alone among all processes; the lock goes with the process.

    An InputError says that another process holds it, or what the system refused meanwhile, such
    as a write to a full disk or to a read-only folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("a+b", buffering=0) as lock:
            _take(lock, folder, study)
            yield
    except BrokenPipeError:  # no fault of the folder: the reader of the output has left
        raise
    except OSError as error:
        raise InputError(
            f"study {study}: {error.filename or folder}: {error.strerror or error}; "
            "what is done is kept, and the same command goes on from there"
        ) from None


def is_held(folder: Path) -> bool:
    """Return whether a process holds a study's folder."""
    try:
        with (folder / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no lock, or none that this process may read
        return False
    return False


def _take(lock: IO[bytes], folder: Path, study: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(0.02)
                continue
            lock.seek(0)
            raise InputError(
                f"study {study}: process {lock.read().decode().strip() or '?'} is running it; "
                f"watch it with 'fuseablate study status {folder.name}'"
            ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()).encode())
