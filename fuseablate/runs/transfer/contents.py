"""What an export holds: the files of a store's layout, and a list of them with their sums."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Annotated, Protocol

from fuseablate.io.checked import only
from fuseablate.io.reading import JSON_BYTES, RUNS_BYTES
from fuseablate.runs.store import DIGITS, NEWEST, RECORD, WEIGHTS
from fuseablate.runs.unfinished import DESCRIPTION

CONTENTS = "manifest.json"
FORMAT = 1
RUN_FILES = (RECORD, WEIGHTS, NEWEST, DESCRIPTION)
RUN_FILE = re.compile(
    rf"([0-9a-f]{{{DIGITS}}})/({'|'.join(map(re.escape, RUN_FILES))})", flags=re.ASCII
)
STUDY_FILE = re.compile(r"(studies/[^/.\0][^/\0]{0,199})/([A-Za-z0-9_-]+\.(?:json|log))")
WORKERS_LOG = "workers.log"  # of this machine's processes; it stays
BLOCK = 1 << 20  # bytes copied at once


@dataclass(frozen=True)
class FileEntry:
    """One file: its size in bytes, and the SHA-256 of its content in hex."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Contents:
    """All files of an export by their names in the store, and what wrote them."""

    format: Annotated[int, only(FORMAT)]
    fuseablate: str
    created: str
    files: Mapping[str, FileEntry]

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=1) + "\n"


def most_bytes(name: str) -> int | None:
    """Return how many bytes a file may have, as its reader does; None: it is not read whole."""
    if name == CONTENTS or STUDY_FILE.fullmatch(name):
        return RUNS_BYTES
    return JSON_BYTES if name.endswith(".json") else None


def belongs(name: str) -> bool:
    """Return whether a name is that of a file which travels."""
    study = STUDY_FILE.fullmatch(name)
    return bool(RUN_FILE.fullmatch(name)) or (study is not None and study[2] != WORKERS_LOG)


class Meter(Protocol):
    """What shows how far the copying has come."""

    def begin(self, name: str, size: int) -> None:
        """Take note that a file of so many bytes is now copied."""

    def advance(self, count: int) -> None:
        """Take note of so many more bytes."""


class Summed:
    """A file that is read once, to be copied; what was read is counted and summed."""

    def __init__(self, file: IO[bytes], size: int, advance: Callable[[int], None]) -> None:
        self._file, self._left, self._advance = file, size, advance
        self._sum = hashlib.sha256()

    def read(self, count: int = BLOCK) -> bytes:
        """Return the next bytes, at most `count`; none at the end."""
        block = self._file.read(min(count, self._left))
        self._left -= len(block)
        self._sum.update(block)
        self._advance(len(block))
        return block

    def copy_to(self, target: IO[bytes]) -> None:
        """Copy all that is left."""
        while block := self.read():
            target.write(block)

    @property
    def missing(self) -> int:
        """The bytes that are still to come."""
        return self._left

    @property
    def sha256(self) -> str:
        """The sum of what was read, in hex."""
        return self._sum.hexdigest()
