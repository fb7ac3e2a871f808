"""The files of a run's folder on their way between the driver and a worker. Without torch.

A worker trains in a folder of its own, as it would in a run store. What has changed there comes
back as a parcel: the names of all files, and the content of those that are new. The driver's
folder is then the same. Nothing in a parcel is executed, or unpickled.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias, TypedDict

from fuseablate.io.lock import LOCK
from fuseablate.runs import NEWEST, PREVIOUS, RECORD, RunFolder

Stamps: TypeAlias = dict[str, tuple[int, int]]  # of a file: when it was written, and its bytes
_NAME = re.compile(r"[a-z]+(\.[a-z]+)*(\.bad-\d+)?")
# The messages of a worker with which files go back; with an epoch's they do where it is time.
_MOMENTS = ("started", "finished", "failed", "stopped", "refused", "broken", "memory")

_ENDS = {NEWEST, RECORD}  # one of which a run has that has a checkpoint before


class Parcel(TypedDict):
    """Files of a run's folder."""

    names: list[str]
    """All that are there."""
    files: dict[str, bytes]
    """The content of those that have changed."""


def packed(folder: Path, stamps: Stamps) -> Parcel:
    """Return what has changed in a run's folder since `stamps`, which are brought up to date."""
    files, names = {}, []
    for path in sorted(folder.iterdir()):
        if path.name == LOCK or path.name.startswith("."):
            continue
        names.append(path.name)
        status = path.stat()
        stamp = (status.st_mtime_ns, status.st_size)
        if stamps.get(path.name) != stamp:
            files[path.name] = path.read_bytes()
            stamps[path.name] = stamp
    return {"names": names, "files": files}


def unpack(parcel: Parcel, folder: RunFolder) -> None:
    """Make a run's folder as the one that the parcel is of.

    A record comes last but for what it makes superfluous, so that wherever this is cut off the
    folder holds a run that goes on, or one that has ended.
    """
    files = dict(parcel["files"])
    for name in {*files, *parcel["names"]}:
        if not _NAME.fullmatch(name) or name == LOCK:
            raise ValueError(f"'{name}': is no file of a run's folder")
    if (newest := files.pop(NEWEST, None)) is not None:
        folder.write_checkpoint(newest)
    for name in sorted(files, key=lambda name: (name == RECORD, name)):
        folder.write(name, files[name])
    # Content that came with a message which was never read is missing here: what it would have
    # made superfluous is then all that there is.
    here = {path.name for path in folder.path.iterdir()}
    if {*parcel["names"]} - {PREVIOUS} <= here:
        folder.remove(*(here - {*parcel["names"], LOCK}))


class Mail:
    """Says what of a run's folder goes back with which of a worker's messages."""

    def __init__(self, folder: Path, sent: Parcel, seconds: float) -> None:
        """Write the files that were `sent`; `seconds` lie between two checkpoints at the least."""
        folder.mkdir(parents=True)
        for name, content in sent["files"].items():
            (folder / name).write_bytes(content)
        self._folder, self._seconds = folder, seconds
        self._due = time.monotonic() + seconds
        self._stamps: Stamps = {}
        packed(folder, self._stamps)

    def of(self, kind: object) -> Parcel | None:
        """Return the parcel that goes with a message of that kind, if any does."""
        if kind == "epoch":
            if time.monotonic() < self._due:
                return None
            self._due = time.monotonic() + self._seconds
        elif kind not in _MOMENTS:
            return None
        return self.now()

    def now(self) -> Parcel:
        """Return all that the driver does not have yet."""
        parcel = packed(self._folder, self._stamps)
        # The driver has a previous one of its own: the checkpoint that it was sent before.
        parcel["files"].pop(PREVIOUS, None)
        return parcel

    def last(self) -> Parcel | None:
        """Return all that the driver does not have yet, of a worker that is to leave.

        None where a checkpoint is being replaced all the while: of a folder without one the driver
        would believe that its own is superfluous.
        """
        for _ in range(10):
            with suppress(FileNotFoundError):
                parcel = self.now()
                names = {*parcel["names"]}
                if PREVIOUS not in names or names & _ENDS:
                    return parcel
            time.sleep(0.01)
        return None
