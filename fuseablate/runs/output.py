"""Files that a user names for what a command makes: the one writer of all of them. Without torch.

The name is that of a regular file or a new one; links are followed, and the file they lead to is
replaced whole. What is no file but takes bytes (/dev/stdout, a FIFO, a terminal) is written to.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path

from fuseablate.errors import InputError
from fuseablate.io.atomic import write_atomically
from fuseablate.io.lock import LOCK
from fuseablate.runs.manifest import JOURNAL, MANIFEST
from fuseablate.runs.status import STATUS
from fuseablate.runs.store import DIGITS, NEWEST, RECORD, WEIGHTS

# A process's own open files, by which /dev/stdout and the like are links.
_DESCRIPTOR = re.compile(r"/(?:dev|proc/(?:self|thread-self))/fd/(\d{1,6})")
MOST_LINKS = 40
# The folders that a store keeps: the pattern of the name, and files of which each has one.
_KEPT = {
    "run": (rf"[0-9a-f]{{{DIGITS}}}", (RECORD, WEIGHTS, NEWEST, LOCK)),
    "study": (r".+-[0-9a-f]{8}", (MANIFEST, STATUS, JOURNAL, LOCK)),
}


def check_output(path: Path, flag: str, *endings: str) -> None:
    """Raise an `InputError` where nothing can be written to `path`, before there is any content.

    endings: those of which the name must have one, if any.
    """
    output_target(path, flag)
    if endings and not path.name.endswith(endings):
        raise InputError(f"{flag} {path}: must end in {' or '.join(endings)}")


def write_output(path: Path, flag: str, content: str | bytes) -> None:
    """Write `content` to `path`; an `InputError` says why it cannot be, and leaves the old file."""
    target = output_target(path, flag)
    data = content.encode() if isinstance(content, str) else content
    try:
        if isinstance(target, int):
            if sys.stdout is not None:  # closed
                sys.stdout.flush()
            with os.fdopen(os.dup(target), "wb") as file:
                file.write(data)
        elif target.exists() and not target.is_file():
            with target.open("wb") as file:
                file.write(data)
        else:
            write_atomically(target, data, keep_mode=True)
    except BrokenPipeError:  # the reader has left, as one of the standard output may
        raise
    except OSError as error:
        raise _unwritable(path, flag, error.strerror) from None


def output_target(path: Path, flag: str) -> Path | int:
    """Return the file that `path` leads to, or the number of an open one.

    An `InputError` says why nothing can be written there.
    """
    if not path.name or "\0" in str(path):
        raise InputError(f"{flag} '{path}': is not a valid file name")
    try:
        target = _followed(path.absolute())
        if isinstance(target, int):
            return target
        parent = target.parent.resolve()
        mode = target.stat().st_mode if target.exists() else None
    except OSError as error:
        raise _unwritable(path, flag, error.strerror) from None
    if mode is not None and stat.S_ISDIR(mode):
        raise InputError(f"{flag} {path}: is a folder; name a file")
    if not parent.is_dir():
        near = next(above for above in parent.parents if above.is_dir())
        raise InputError(
            f"{flag} {path}: there is no folder {parent}; the nearest that exists: {near}"
        )
    if mode is not None:
        if not (stat.S_ISREG(mode) or stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)):
            raise InputError(f"{flag} {path}: is a device or a socket; name a file")
        if not os.access(target, os.W_OK):
            raise _unwritable(path, flag, "it is protected")
    for folder in (parent, *parent.parents):
        for what, (name, files) in _KEPT.items():
            if re.fullmatch(name, folder.name) and any((folder / kept).exists() for kept in files):
                raise InputError(
                    f"{flag} {path}: lies in the folder of a {what}, {folder}, where nothing is "
                    "written or replaced but by training; name another place"
                )
    return target


def _followed(path: Path) -> Path | int:
    """Return what a chain of links ends in, whether it is there or not."""
    for _ in range(MOST_LINKS):
        if descriptor := _DESCRIPTOR.fullmatch(str(path)):
            return int(descriptor[1])
        if not path.is_symlink():
            return path
        path = path.parent / path.readlink()
    raise OSError(None, "its links lead in a circle")


def _unwritable(path: Path, flag: str, why: str | None) -> InputError:
    return InputError(f"{flag} {path}: cannot be written: {why}")
