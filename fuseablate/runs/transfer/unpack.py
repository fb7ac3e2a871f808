"""From a tar file or a folder into a store. Without torch.

All files are copied beside the runs of the store first, and checked against their sums there; only
then, and only where nothing contradicts what the store has, is anything put in its place.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fuseablate.errors import InputError
from fuseablate.io.checked import parse_as
from fuseablate.io.lock import is_held, take
from fuseablate.runs.manifest import JOURNAL
from fuseablate.runs.record import Record, read_record
from fuseablate.runs.status import held
from fuseablate.runs.store import DIGITS, NEWEST, PREVIOUS, RECORD, WEIGHTS, Store
from fuseablate.runs.transfer.contents import (
    CONTENTS,
    Contents,
    FileEntry,
    Meter,
    Summed,
    most_bytes,
)
from fuseablate.runs.transfer.source import Source, source_at
from fuseablate.runs.unfinished import DESCRIPTION, newest_checkpoint, read_checkpoint

STAGING = ".import-"


@dataclass
class Imported:
    """What was put into the store."""

    records: int = 0
    weights: int = 0
    checkpoints: int = 0
    studies: int = 0
    here: int = 0
    """Runs and studies that it had, as they are or further on."""
    left: list[str] = field(default_factory=list)
    """What was left out, and why, a line each."""


def import_runs(path: Path, store: Store, meter: Meter, *, keep: bool = False) -> Imported:
    """Put the runs and studies of an export, or of a folder with a store's layout, into a store.

    A run that the store has, with the same record, is skipped; where one of the two was tested
    later, that one stays. One with another record is an
    `InputError` before anything is put in place, unless `keep` says that the store's stays. A
    record takes the place of checkpoints, and of two checkpoints the one of the later epoch stays.
    A run or a study that a living process holds is left alone. Each run is put in place whole.
    """
    source = source_at(path)
    try:
        store.root.mkdir(parents=True, exist_ok=True)
        with _staging(store.root) as staging:
            _copy(path, source, staging, meter)
            done = Imported()
            folders = [path for path in sorted(staging.iterdir()) if path.name != "studies"]
            runs = [run for folder in folders if (run := _read(folder, done))]
            if not keep:
                _check_records(runs, store)
            for run in runs:
                _put_run(run, store, done)
            for folder in sorted((staging / "studies").glob("*")):
                _put_study(folder, store.root / "studies" / folder.name, done)
            return done
    except OSError as error:
        where = error.filename or store.root
        raise InputError(f"{where}: cannot be written: {error.strerror or error}") from None


@contextmanager
def _staging(root: Path) -> Iterator[Path]:
    """Make a folder of the store for what is copied; what a killed import left of its own goes."""
    for left in root.glob(f"{STAGING}*"):
        with _locked(left) as free:
            if free:
                shutil.rmtree(left, ignore_errors=True)
    staging = root / f"{STAGING}{secrets.token_hex(4)}"
    staging.mkdir()
    try:
        with _locked(staging):
            yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield take(handle)
    finally:
        os.close(handle)


def _copy(path: Path, source: Source, staging: Path, meter: Meter) -> None:
    """Copy all files, and check them against the list of them; names and sizes come first."""
    files = dict(source.files)
    for name, size in files.items():
        if (most := most_bytes(name)) is not None and size > most:
            raise InputError(f"{path}: {name}: has {size:,} bytes, and the limit is {most:,}")
    listed = _list(path, source)
    files.pop(CONTENTS, None)
    if listed is not None and set(listed) != set(files):
        name = min(set(listed) ^ set(files))
        said = "is not here" if name in listed else f"is not in {CONTENTS}"
        raise InputError(f"{path}: {name}: {said}; nothing is imported")
    free = shutil.disk_usage(staging).free
    if (needed := sum(files.values())) > free:
        raise InputError(f"{path}: has {needed:,} bytes, and {free:,} are free in {staging.parent}")
    for name, size in files.items():
        meter.begin(name, size)
        target = staging / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with source.open(name) as file, target.open("xb") as copy:
            content = Summed(file, size, meter.advance)
            content.copy_to(copy)
            copy.flush()
            os.fsync(copy.fileno())
        if content.missing or (
            listed is not None and listed[name] != FileEntry(size, content.sha256)
        ):
            raise InputError(
                f"{path}: {name}: is not what was exported (its SHA-256 differs); copy it again"
            )


def _list(path: Path, source: Source) -> Mapping[str, FileEntry] | None:
    if CONTENTS not in source.files:
        if source.listed:
            raise InputError(f"{path}: has no {CONTENTS}; is it cut off? export again")
        return None
    with source.open(CONTENTS) as file:
        try:
            text = file.read(source.files[CONTENTS])
            return parse_as(Contents, text, "the list of an export").files
        except InputError as error:
            raise error.within(f"{path}: {CONTENTS}") from None


@dataclass(frozen=True)
class _Run:
    """A copied run: either its record, or how many epochs its checkpoint has done."""

    folder: Path
    record: Record | None
    epochs: int

    @property
    def id(self) -> str:
        return self.folder.name


def _read(folder: Path, done: Imported) -> _Run | None:
    """Return a copied run; an `InputError` says which file is no run's, or another's.

    One that has neither ended nor a checkpoint yet is left out, and said.
    """
    try:
        if (folder / RECORD).exists():
            record = read_record(folder / RECORD)
            _check_digest(folder.name, RECORD, record.digest)
            return _Run(folder, record, 0)
        if (folder / NEWEST).exists():
            checkpoint = read_checkpoint(folder / NEWEST, verify=True)
            _check_digest(folder.name, NEWEST, checkpoint.digest)
            return _Run(folder, None, checkpoint.epochs)
    except InputError as error:
        said = str(error).replace(f"{folder}/", "")  # no user knows where it was copied to
        raise InputError(f"run {folder.name}: {said}") from None
    done.left.append(f"run {folder.name}: has neither {RECORD} nor {NEWEST}")
    return None


def _check_digest(name: str, file: str, digest: str) -> None:
    if digest[:DIGITS] != name:
        raise InputError(f"{file}: is of another run ({digest[:DIGITS]})")


def _check_records(runs: list[_Run], store: Store) -> None:
    for run in runs:
        if _differs(run, store):
            raise InputError(
                f"run {run.id}: {store.root} has another record of it, trained at another time or "
                "place; nothing is imported; remove one of the two, or say --keep to leave such "
                "runs as they are here"
            )


def _differs(run: _Run, store: Store) -> bool:
    path = store.folder(run.id) / RECORD
    if run.record is None or not path.exists():
        return False
    mine = read_record(path)
    return not (mine == run.record or mine.is_test_of(run.record) or run.record.is_test_of(mine))


def _put_run(run: _Run, store: Store, done: Imported) -> None:
    if is_held(store.folder(run.id)):
        done.left.append(f"run {run.id}: a process is training it, and it is left alone")
        return
    with store.open(run.id) as folder:
        try:
            differs = _differs(run, store)  # looked at again, under the lock
        except InputError as error:  # the one here cannot be read, which hides no other run
            done.left.append(f"run {run.id}: {error}")
            return
        if differs:
            done.left.append(f"run {run.id}: has another record here, which stays")
        elif (folder.path / RECORD).exists():
            added = not (folder.path / WEIGHTS).exists() and _put(run, WEIGHTS, folder.path)
            later = run.record and run.record.is_test_of(read_record(folder.path / RECORD))
            tested = bool(later) and _put(run, RECORD, folder.path)
            done.weights += added
            done.records += tested
            done.here += not (added or tested)
        elif run.record:
            done.weights += _put(run, WEIGHTS, folder.path)
            done.records += _put(run, RECORD, folder.path)
            folder.remove(NEWEST, PREVIOUS, DESCRIPTION)
        elif (mine := newest_checkpoint(folder.path)) and mine.epochs >= run.epochs:
            done.here += 1
        else:
            _put(run, DESCRIPTION, folder.path)
            done.checkpoints += _put(run, NEWEST, folder.path)


def _put(run: _Run, name: str, folder: Path) -> bool:
    """Put a file in place, and return whether the run has it."""
    there = (run.folder / name).exists()
    if there:
        (run.folder / name).replace(folder / name)
    return there


def _put_study(copied: Path, folder: Path, done: Imported) -> None:
    """Put a study's folder in place, where there is none or it has come further than this one."""
    if is_held(folder):
        done.left.append(f"study {folder.name}: is being run, and its folder is left alone")
        return
    with held(folder, folder.name):
        names = sorted(path.name for path in copied.iterdir())
        present = [name for name in names if (folder / name).exists()]
        if all(_same(copied / name, folder / name) for name in names):
            done.here += 1
        elif not present or _goes_on(copied / JOURNAL, folder / JOURNAL):
            for name in names:
                (copied / name).replace(folder / name)
            done.studies += 1
        else:
            done.left.append(f"study {folder.name}: has gone on here; its folder stays as it is")


def _same(path: Path, other: Path) -> bool:
    return other.exists() and path.read_bytes() == other.read_bytes()


def _goes_on(copied: Path, mine: Path) -> bool:
    """Return whether a copied journal begins with all of mine."""
    if not (copied.exists() and mine.exists()):
        return False
    return copied.read_bytes().startswith(mine.read_bytes())
