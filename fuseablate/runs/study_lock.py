"""The lock of a study's folder: one process at a time runs the study. Without torch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from fuseablate.errors import InputError
from fuseablate.io.lock import LOCK, take


@contextmanager
def held(folder: Path, study: str) -> Iterator[None]:
    """Hold a study's folder alone among all processes; the lock goes with the process.

    An InputError says that another process holds it, or what the system refused meanwhile, such
    as a write to a full disk or to a read-only folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / LOCK).open("a+b", buffering=0) as lock:
            _take(lock, folder, study)
            yield
    except BrokenPipeError:  # no fault of the folder: the reader of the output has left
        raise
    except OSError as error:
        raise InputError(
            f"study {study}: {error.filename or folder}: {error.strerror or error}; "
            "what is done is kept, and the same command goes on from there"
        ) from None


def _take(lock: IO[bytes], folder: Path, study: str) -> None:
    if not take(lock):
        lock.seek(0)
        raise InputError(
            f"study {study}: process {lock.read().decode().strip() or '?'} is running it; "
            f"watch it with 'fuseablate study status {folder.name}'"
        )
    lock.truncate(0)
    lock.write(str(os.getpid()).encode())
