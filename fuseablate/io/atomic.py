"""Files written whole: a reader sees the old content or the new, never a part."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

NAMED = 40  # characters of a file's name that its temporary one has: a name has at most 255 bytes


def write_atomically(path: Path, content: str | bytes, *, keep_mode: bool = False) -> None:
    """Write `content` to `path` by way of a temporary file beside it, synced, then renamed.

    keep_mode: give it the permissions of the file that it replaces, and the owner where that is
    allowed.
    """
    data = content.encode() if isinstance(content, str) else content
    # Not by `tempfile`, whose files only their owner can read.
    temporary = path.with_name(f".{path.name[:NAMED]}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            if keep_mode and path.exists():
                before = path.stat()
                with suppress(PermissionError):
                    os.fchown(file.fileno(), before.st_uid, before.st_gid)
                os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
