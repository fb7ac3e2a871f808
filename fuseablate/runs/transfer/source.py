"""What is imported: a tar file that an export wrote, or a folder with the layout of a store.

Only plain files with the names that a store has are ever opened; so no name leads out of it, and
nothing in a tar file is unpacked by what the file says of itself. Without torch.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from fuseablate.errors import InputError
from fuseablate.runs.lookup import RUN_FOLDER
from fuseablate.runs.transfer.contents import CONTENTS, belongs

PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE)
SECTOR = tarfile.BLOCKSIZE


class Source(Protocol):
    """The files of an import."""

    @property
    def listed(self) -> bool:
        """Whether there must be a list of its files, with their sums."""

    @property
    def files(self) -> Mapping[str, int]:
        """The size of each by its name in the store."""

    def open(self, name: str) -> IO[bytes]:
        """Return a file at the beginning of what `name` holds, of which its size is to be read."""


def source_at(path: Path) -> Source:
    """Return the source in a file or a folder; an `InputError` says why it is none."""
    try:
        return _folder(path) if path.is_dir() else _tar(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None


@dataclass(frozen=True)
class _Folder:
    root: Path
    files: Mapping[str, int]
    listed: bool

    def open(self, name: str) -> IO[bytes]:
        flags = os.O_RDONLY | os.O_NOFOLLOW
        return os.fdopen(os.open(self.root / name, flags), "rb")


def _folder(root: Path) -> _Folder:
    paths = [
        path
        for pattern in ("*/*", "studies/*/*", CONTENTS)
        for path in root.glob(pattern)
        if pattern == CONTENTS or belongs(path.relative_to(root).as_posix())
    ]
    files = {}
    for path in sorted(paths):
        name = path.relative_to(root)
        if any((root / part).is_symlink() for part in (name, *name.parents[:-1])):
            raise InputError(f"{path}: is a link, or behind one; only plain files are imported")
        state = path.lstat()
        if not stat.S_ISREG(state.st_mode):
            raise InputError(f"{path}: is not a plain file, and nothing else is imported")
        files[name.as_posix()] = state.st_size
    if not files:
        raise InputError(f"{root}: holds no run: {_nearest(root)}")
    return _Folder(root, files, CONTENTS in files)


def _nearest(root: Path) -> str:
    if RUN_FOLDER.fullmatch(root.absolute().name):
        return f"this is a run's own folder; name the one that it lies in, {root.absolute().parent}"
    inside = sorted({path.parent.parent for path in root.glob("*/*/record.json")})
    if inside:
        return f"they lie one below, in {', '.join(map(str, inside[:3]))}"
    return "a folder for each is needed, with its record.json"


@dataclass(frozen=True)
class _Tar:
    path: Path
    files: Mapping[str, int]
    offsets: Mapping[str, int]
    listed: bool = True

    def open(self, name: str) -> IO[bytes]:
        file = self.path.open("rb")
        file.seek(self.offsets[name])
        return file


def _tar(path: Path) -> _Tar:
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: is neither a file nor a folder")
    files: dict[str, int] = {}
    offsets: dict[str, int] = {}
    with path.open("rb") as file:
        end = os.fstat(file.fileno()).st_size
        while (header := file.read(SECTOR)) != bytes(SECTOR):
            info = _member(path, header)
            name, at = info.name.removeprefix("./").rstrip("/"), file.tell()
            after = at + -(-info.size // SECTOR) * SECTOR
            if info.size < 0 or after > end:
                raise InputError(f"{path}: is cut off within {info.name!r}; copy it again")
            if info.type != tarfile.DIRTYPE:
                if info.type not in PLAIN:
                    raise InputError(
                        f"{path}: {info.name!r}: is not a plain file; nothing is imported"
                    )
                if not (belongs(name) or name == CONTENTS):
                    raise InputError(f"{path}: {info.name!r}: is not a file of a run store")
                if name in files:
                    raise InputError(f"{path}: {info.name!r}: appears twice; nothing is imported")
                files[name], offsets[name] = info.size, at
            file.seek(after)
    return _Tar(path, files, offsets)


def _member(path: Path, header: bytes) -> tarfile.TarInfo:
    if not header or len(header) < SECTOR:
        raise InputError(f"{path}: is not a complete tar file of 'fuseablate runs export'")
    try:
        return tarfile.TarInfo.frombuf(header, "utf-8", "replace")
    except tarfile.TarError as error:
        raise InputError(
            f"{path}: is not a tar file of 'fuseablate runs export': {error}"
        ) from None
