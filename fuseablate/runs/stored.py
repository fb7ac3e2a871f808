"""What lies in a run's folder, whether the run has ended or not. Without torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from fuseablate.errors import InputError
from fuseablate.io.lock import is_held
from fuseablate.runs.record import Record, read_record
from fuseablate.runs.store import DIGITS, NEWEST, RECORD
from fuseablate.runs.unfinished import Description, newest_checkpoint

Status: TypeAlias = Literal[
    "finished", "untested", "failed", "running", "interrupted", "unreadable"
]
STATUSES: tuple[Status, ...] = get_args(Status)
ENDED: tuple[Status, ...] = ("finished", "untested", "failed")


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    """A run's folder, and what lies in it."""

    folder: Path
    status: Status
    held: bool = False
    """Whether a process is training it."""
    record: Record | None = None
    """None of a run that has not ended."""
    description: Description | None = None
    """Of a run that has not ended, where there is one."""
    digest: str | None = None
    epoch: int = 0
    """How many epochs are done."""
    bytes: int = 0
    changed: float = 0.0
    """When it last was, in seconds since 1970."""
    problem: str = ""
    """Why it is unreadable."""

    @property
    def id(self) -> str:
        """The name of its folder."""
        return self.folder.name

    @property
    def epochs(self) -> int | None:
        """The epochs that its recipe asks for."""
        if self.record:
            return int(self.record.recipe["epochs"])
        return self.description.epochs if self.description else None


def stored_run(folder: Path) -> StoredRun:
    """Return what lies in a run's folder; an `OSError` says why that cannot be seen."""
    held = is_held(folder)
    sizes, times = [0], [folder.stat().st_mtime]
    for path in folder.iterdir():
        try:
            sizes.append(path.lstat().st_size)
            if path.name in (RECORD, NEWEST):
                times.append(path.lstat().st_mtime)
        except FileNotFoundError:  # a process that trains has just removed it
            continue
    run = StoredRun(
        folder=folder,
        status="running" if held else "interrupted",
        held=held,
        bytes=sum(sizes),
        changed=max(times[1:], default=times[0]),
    )
    return _ended(run) if (folder / RECORD).exists() else _not_ended(run)


def _ended(run: StoredRun) -> StoredRun:
    try:
        record = read_record(run.folder / RECORD)
        if record.digest[:DIGITS] != run.id:
            raise InputError(f"{run.folder / RECORD}: is the record of another run")
        ended = datetime.fromisoformat(record.ended).timestamp()
    except (InputError, ValueError) as error:
        return replace(run, status="unreadable", problem=str(error))
    return replace(
        run,
        status="failed" if record.failure else "finished" if record.test else "untested",
        record=record,
        digest=record.digest,
        epoch=len(record.curves),
        changed=ended,
    )


def _not_ended(run: StoredRun) -> StoredRun:
    checkpoint, description = newest_checkpoint(run.folder), Description.load(run.folder)
    known = checkpoint or description
    return replace(
        run,
        description=description,
        digest=known.digest if known else None,
        epoch=checkpoint.epochs if checkpoint else 0,
    )
