"""What a run store holds: its runs, ended or not, and its studies. Without torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from fuseablate.errors import InputError, unknown
from fuseablate.io.lock import is_held
from fuseablate.runs.manifest import Manifest
from fuseablate.runs.record import Record, read_record
from fuseablate.runs.status import StudyStatus
from fuseablate.runs.store import DIGITS, NEWEST, RECORD, Store
from fuseablate.runs.unfinished import Description, newest_checkpoint

Status: TypeAlias = Literal[
    "finished", "untested", "failed", "running", "interrupted", "unreadable"
]
STATUSES: tuple[Status, ...] = get_args(Status)
RUN_FOLDER = re.compile(rf"[0-9a-f]{{{DIGITS}}}")
FEW = 3  # runs that are named where one is asked for that is not there


@dataclass(frozen=True)
class StoredRun:
    """A run's folder, and what lies in it.

    A run that has ended has a record; one that has not may have a description, epochs done and
    a digest. changed: when it last was, in seconds since 1970. problem: why it is unreadable.
    """

    folder: Path
    status: Status
    held: bool
    record: Record | None
    description: Description | None
    digest: str | None
    epoch: int
    bytes: int
    changed: float
    problem: str = ""

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


def stored_runs(folders: Iterable[Path]) -> list[StoredRun]:
    """Return what lies in runs' folders, the one changed last first, without those just removed."""
    found = []
    for folder in folders:
        try:
            found.append(stored_run(folder))
        except FileNotFoundError:
            continue
        except OSError as error:
            problem = f"{folder}: cannot be read: {error.strerror}"
            unreadable: Status = "unreadable"
            found.append(StoredRun(folder, unreadable, False, None, None, None, 0, 0, 0, problem))
    return sorted(found, key=lambda run: (-run.changed, run.id))


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
    size, changed = sum(sizes), max(times[1:], default=times[0])
    if (folder / RECORD).exists():
        try:
            record = read_record(folder / RECORD)
            if record.digest[:DIGITS] != folder.name:
                raise InputError(f"{folder / RECORD}: is the record of another run")
            changed = datetime.fromisoformat(record.ended).timestamp()
        except (InputError, ValueError) as error:
            return StoredRun(
                folder, "unreadable", held, None, None, None, 0, size, changed, str(error)
            )
        status: Status = "failed" if record.failure else "finished" if record.test else "untested"
        epoch = len(record.curves)
        return StoredRun(folder, status, held, record, None, record.digest, epoch, size, changed)
    checkpoint, description = newest_checkpoint(folder), Description.load(folder)
    known = checkpoint or description
    return StoredRun(
        folder,
        "running" if held else "interrupted",
        held,
        None,
        description,
        known.digest if known else None,
        checkpoint.epochs if checkpoint else 0,
        size,
        changed,
    )


def run_folders(store: Store) -> list[Path]:
    """Return the folders of all runs, by id."""
    found = store.root.iterdir() if store.root.is_dir() else ()
    return sorted(path for path in found if RUN_FOLDER.fullmatch(path.name) and path.is_dir())


def study_folders(store: Store) -> list[Path]:
    """Return the folders of all studies, the one changed last first."""
    folders = [path for path in store.root.glob("studies/*") if path.is_dir()]
    return sorted(folders, key=lambda folder: -folder.stat().st_mtime)


def runs_of_study(folder: Path) -> set[str]:
    """Return the ids of a study's runs: those that its report compares, and a search's trials."""
    found: set[str] = set()
    for read in (_compared, _on_the_board):
        try:
            found |= {digest[:DIGITS] for digest in read(folder)}
        except InputError:  # it has none, or a spoilt one; the other may do
            continue
    return found


def _compared(folder: Path) -> Iterable[str]:
    return [each for one in Manifest.load(folder).variants for each in one.runs.values()]


def _on_the_board(folder: Path) -> Iterable[str]:
    return [line.digest for line in StudyStatus.load(folder).lines]


@dataclass(frozen=True)
class Chosen:
    """Runs, by their folders, and studies, by theirs."""

    runs: tuple[Path, ...]
    studies: tuple[Path, ...]


def choose(store: Store, names: Sequence[str]) -> Chosen:
    """Return the runs and studies of those names; all of the store where there is none.

    A name is that of a study, with its digest or without (then the newest), or the first digits
    of a run's id. An `InputError` says that nothing has it, or more than one run.
    """
    folders, studies = run_folders(store), study_folders(store)
    if not names:
        return Chosen(tuple(folders), tuple(studies))
    runs: dict[Path, None] = {}
    mine: dict[Path, None] = {}
    for name in names:
        plain = Path(name).stem if name.endswith(".toml") else name
        study = next((s for s in studies if plain in (s.name, s.name.rpartition("-")[0])), None)
        if study:
            mine[study] = None
            ids = runs_of_study(study)
            runs |= dict.fromkeys(folder for folder in folders if folder.name in ids)
        else:
            runs[_run(store, folders, studies, name)] = None
    return Chosen(tuple(runs), tuple(mine))


def _run(store: Store, folders: Sequence[Path], studies: Sequence[Path], name: str) -> Path:
    found = [folder for folder in folders if name and folder.name.startswith(name[:DIGITS])]
    if len(found) > 1:
        raise InputError(f"run '{name}': {len(found)} runs of {store.root} begin so; write more")
    if found:
        return found[0]
    if not folders and not studies:
        raise InputError(f"'{name}': {store.root} holds no run and no study")
    short = dict.fromkeys(each.name.rpartition("-")[0] for each in studies)
    choices = [*short, *(folder.name for folder in folders[:FEW])]
    more = [f"{len(folders) - FEW} more runs"] if len(folders) > FEW else []
    raise unknown("study or run", name, [*choices, *more]).within(str(store.root))
