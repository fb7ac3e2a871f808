"""The runs of a store in a line each, however many there are. Without torch.

What a line needs of a run that has ended is kept in `index.json` of a store of many runs, beside
the times and the size of the files that it was read from: such a run is looked at, and not read
again. An index that is missing or spoilt is made anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from fuseablate.errors import InputError
from fuseablate.io.atomic import write_atomically
from fuseablate.io.lock import is_held
from fuseablate.io.reading import RUNS_BYTES, read_bytes
from fuseablate.runs.store import INDEX, RECORD, Store
from fuseablate.runs.stored import ENDED, Status, StoredRun, stored_run

MANY = 1000  # runs from which an index is worth its file
Stamp = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class ListedRun:
    """What a list says of a run, as plain values that JSON can hold."""

    id: str
    """The name of its folder."""
    digest: str | None
    status: Status
    held: bool
    """Whether a process is training it."""
    spec: str | None = None
    """None, as are the next four, where nothing tells what the run is."""
    edits: str | None = None
    recipe: str | None = None
    data: str | None = None
    seed: int | None = None
    epoch: int = 0
    """How many epochs are done."""
    epochs: int | None = None
    """How many its recipe asks for."""
    val_top1: float | None = None
    """From 0 to 1, as is the next."""
    test_top1: float | None = None
    bytes: int = 0
    changed: float = 0.0
    """When it last was, in seconds since 1970."""
    files: tuple[str, ...] = ()
    problem: str | None = None
    """Why it is unreadable."""

    @classmethod
    def of(cls, run: StoredRun) -> ListedRun:
        record, known = run.record, run.record or run.description
        return cls(
            id=run.id,
            digest=run.digest,
            status=run.status,
            held=run.held,
            spec=known.spec_name if known else None,
            edits=known.label if known else None,
            recipe=known.recipe_name if known else None,
            data=known.data_title if known else None,
            seed=known.seed if known else None,
            epoch=run.epoch,
            epochs=run.epochs,
            val_top1=record.val.top1 if record and record.val else None,
            test_top1=record.test.top1 if record and record.test else None,
            bytes=run.bytes,
            changed=run.changed,
            files=() if run.problem else tuple(sorted(p.name for p in run.folder.iterdir())),
            problem=run.problem or None,
        )


@dataclass(frozen=True)
class _Known:
    """A run that had ended when it was read."""

    stamp: Stamp
    """When the folder and the record were written, in nanoseconds, and the record's bytes."""
    run: ListedRun


@dataclass(frozen=True)
class _Index:
    runs: Mapping[str, _Known] = field(default_factory=dict)


def listed_runs(store: Store, folders: Iterable[Path]) -> list[ListedRun]:
    """Return what a list says of runs, the one changed last first, without those just removed."""
    known = _read(store)
    listed: list[ListedRun] = []
    current = dict(known)
    for folder in folders:
        try:
            listed.append(_listed(folder, known, current))
        except FileNotFoundError:
            current.pop(folder.name, None)
        except OSError as error:
            problem = f"{folder}: cannot be read: {error.strerror}"
            listed.append(
                ListedRun(
                    id=folder.name, digest=None, status="unreadable", held=False, problem=problem
                )
            )
    if current != known and len(current) >= MANY:
        there = {name: ended for name, ended in current.items() if (store.root / name).exists()}
        table = {"runs": {name: _table(ended) for name, ended in there.items()}}
        with suppress(OSError):  # a store that is only read
            write_atomically(store.root / INDEX, json.dumps(table) + "\n")
    return sorted(listed, key=lambda run: (-run.changed, run.id))


def _listed(folder: Path, known: Mapping[str, _Known], current: dict[str, _Known]) -> ListedRun:
    """Return what a list says of a run; note it in `current` where it has ended."""
    stamp = _stamp(folder)
    before = known.get(folder.name)
    if before and before.stamp == stamp:
        held = is_held(folder)
        return replace(before.run, held=True) if held else before.run
    run = ListedRun.of(stored_run(folder))
    current.pop(folder.name, None)
    if stamp and run.status in ENDED:
        current[folder.name] = _Known(stamp, replace(run, held=False))
    return run


def _stamp(folder: Path) -> Stamp | None:
    """Return what tells whether an ended run has changed; None of one that has not ended."""
    try:
        record = (folder / RECORD).stat()
    except FileNotFoundError:
        return None
    return folder.stat().st_mtime_ns, record.st_mtime_ns, record.st_size


def _table(known: _Known) -> dict[str, Any]:
    return {"stamp": known.stamp, "run": vars(known.run)}


def _read(store: Store) -> Mapping[str, _Known]:
    try:
        content = read_bytes(store.root / INDEX, RUNS_BYTES)
        return TypeAdapter(_Index).validate_json(content, strict=True).runs
    except (InputError, ValidationError):  # it is missing, or spoilt
        return {}
