"""Files written whole: a reader sees the old content or the new, never a part."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

# Characters of a name that its temporary one has: a name has at most 255 bytes.
NAME_CHARACTERS = 40


def beside(path: Path) -> Path:
    """Return a hidden, unused name in the same folder, for what becomes `path` when it is whole."""
    # Not by `tempfile`, whose files only their owner can read.
    return path.with_name(f".{path.name[:NAME_CHARACTERS]}.{secrets.token_hex(4)}")


@contextmanager
def atomic_file(path: Path, *, keep_mode: bool = False) -> Iterator[IO[bytes]]:
    """Open a temporary file beside `path`, which takes its place, synced, after the block.

    keep_mode: give it the permissions of the file that it replaces, and the owner where that is
    allowed.
    """
    temporary = beside(path)
    try:
        with temporary.open("xb") as file:
            if keep_mode and path.exists():
                before = path.stat()
                with suppress(PermissionError):
                    os.fchown(file.fileno(), before.st_uid, before.st_gid)
                os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, content: str | bytes, *, keep_mode: bool = False) -> None:
    """Write `content` to `path`, whole or not at all; see `atomic_file`."""
    with atomic_file(path, keep_mode=keep_mode) as file:
        file.write(content.encode() if isinstance(content, str) else content)
