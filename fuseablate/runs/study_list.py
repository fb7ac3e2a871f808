"""The studies of a store in a line each, at once however large they are. Without torch.

What a line needs of a study's status is kept in `studies/index.json`, beside the time and size of
the file that it was read from. So a file is read again when it has changed; an index that is
missing or spoilt is made anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from fuseablate.errors import InputError
from fuseablate.io.atomic import write_atomically
from fuseablate.io.checked import read_as
from fuseablate.runs.status import STATUS, StudyStatus
from fuseablate.runs.store import INDEX, Store


@dataclass(frozen=True)
class ListedStudy:
    """What a list says of a study."""

    stamp: tuple[int, int]
    """When its status was written, in nanoseconds, and its bytes."""
    title: str = ""
    done: int = 0
    """Runs that have ended."""
    runs: int = 0
    """Runs that it has by now."""
    possible: int = 0
    """How many more there may be."""
    ended: bool = False
    problem: str = ""
    """Why its status cannot be read."""


@dataclass(frozen=True)
class _Index:
    studies: Mapping[str, ListedStudy] = field(default_factory=dict)


def listed_studies(store: Store, folders: Sequence[Path]) -> list[ListedStudy]:
    """Return what a list says of the studies in these folders of the store."""
    path = store.root / "studies" / INDEX
    known: Mapping[str, ListedStudy] = {}
    with suppress(InputError):  # it is missing, or spoilt
        known = read_as(_Index, path, "an index of studies").studies
    current = {folder.name: _listed(folder, known.get(folder.name)) for folder in folders}
    if current != known:
        with suppress(OSError):  # a store that is only read
            write_atomically(path, json.dumps(asdict(_Index(current))) + "\n")
    return list(current.values())


def _listed(folder: Path, known: ListedStudy | None) -> ListedStudy:
    stamp = (0, 0)
    try:
        status = (folder / STATUS).stat()
        stamp = (status.st_mtime_ns, status.st_size)
        if known and known.stamp == stamp:
            return known
        study = StudyStatus.load(folder)
    except OSError as error:
        return ListedStudy(stamp, problem=f"{folder / STATUS}: cannot be read: {error.strerror}")
    except InputError as error:  # one spoilt file must not hide the other studies
        return ListedStudy(stamp, problem=str(error))
    return ListedStudy(
        stamp,
        study.title,
        study.settled,
        len(study.lines),
        study.possible,
        study.ended,
    )
