"""The run store: a folder for each run, named by what determines its result. Without torch.

runs/0123456789abcdef/   the first 16 hex digits of the run's digest
  record.json            written when the run has ended, and anew when it is tested later
  weights.pt             the final weights, as they are tested
  run.json               while it runs: what it is, for those who look at the folder
  checkpoint.pt          while it runs; checkpoint.previous.pt is that of the epoch before
  lock                   held by the process that trains it, as long as it lives
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fuseablate.errors import InputError, SkippedWarning, check_name
from fuseablate.io.atomic import write_atomically
from fuseablate.io.lock import LOCK, take
from fuseablate.io.reading import MissingError, entries
from fuseablate.recipes import Recipe
from fuseablate.runs.record import Record, read_record
from fuseablate.spec import Spec

# Raise when training comes to mean something else: older records are then trained anew.
TRAINING_VERSION = 1
RECORD = "record.json"
INDEX = "index.json"  # of the runs, and in their folder of the studies: what lists show of them
WEIGHTS = "weights.pt"
NEWEST, PREVIOUS = "checkpoint.pt", "checkpoint.previous.pt"
DIGITS = 16


class Identified(Protocol):
    """What a run's name needs of the data: its identity and the (height, width) of an image."""

    @property
    def identity(self) -> Mapping[str, Any]: ...

    @property
    def image_size(self) -> tuple[int, int]: ...


def run_digest(spec: Spec, recipe: Recipe, data: Identified, seed: int) -> str:
    """Return the sha256, in hex, of everything that determines the result of a run."""
    return run_digests(spec, recipe, data, (seed,))[seed]


def run_digests(
    spec: Spec, recipe: Recipe, data: Identified, seeds: Iterable[int]
) -> dict[int, str]:
    """Return the digest of the run of each seed; see `run_digest`."""
    network, trained = spec.digest(data.image_size), recipe.to_dict()
    return {seed: content_digest(network, trained, data.identity, seed) for seed in seeds}


def content_digest(
    network: str, recipe: Mapping[str, Any], data: Mapping[str, Any], seed: int
) -> str:
    """Return the digest of a run from what a record holds of it, and the network's own digest."""
    content = {
        "network": network,
        "recipe": recipe,
        "data": data,
        "seed": seed,
        "training": TRAINING_VERSION,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class RunFolder:
    """A run's folder, held by this process."""

    path: Path

    def write(self, name: str, content: str | bytes) -> None:
        """Write a file of the folder, whole or not at all."""
        try:
            write_atomically(self.path / name, content)
        except OSError as error:
            raise _unwritable(self.path, error) from None

    def write_checkpoint(self, content: bytes) -> None:
        """Write the newest checkpoint; the one so far becomes the previous one."""
        newest = self.path / NEWEST
        try:
            if newest.exists():
                newest.replace(self.path / PREVIOUS)
        except OSError as error:
            raise _unwritable(self.path, error) from None
        self.write(NEWEST, content)

    def remove(self, *patterns: str) -> None:
        """Remove the files that match any of the patterns."""
        for pattern in patterns:
            for path in self.path.glob(pattern):
                path.unlink()


@dataclass(frozen=True, init=False)
class Store:
    """All runs under one root folder."""

    root: Path

    def __init__(self, root: str | os.PathLike[str]) -> None:
        check_name("store", root)
        object.__setattr__(self, "root", Path(root))

    @classmethod
    def default(cls) -> Store:
        """Return the store in the folder FUSEABLATE_RUNS, or else in `runs`."""
        return cls(Path(os.environ.get("FUSEABLATE_RUNS") or "runs"))

    def folder(self, digest: str) -> Path:
        """Return where the run with this digest lies, or would lie."""
        return self.root / digest[:DIGITS]

    def get(self, digest: str) -> Record | None:
        """Return the record of a run, or None where it has not ended.

        A record that cannot be read, or that is another run's, is an InputError.
        """
        path = self.folder(digest) / RECORD
        try:
            record = read_record(path)
        except MissingError:
            return None
        except InputError as error:
            raise InputError(f"{error}; remove the file to have the run trained anew") from None
        if record.digest != digest:
            raise InputError(f"{path}: is the record of another run ({record.digest}); move it")
        return record

    def readable(self, digest: str) -> Record | None:
        """Return the record of a run, or None where there is none to read.

        A `SkippedWarning` says why one that is there cannot be read.
        """
        try:
            return self.get(digest)
        except InputError as error:
            warnings.warn(str(error), SkippedWarning, stacklevel=2)
            return None

    def records(self) -> list[Record]:
        """Return all records that can be read, ordered by the time they ended.

        A `SkippedWarning` names each of the others, such as one in the copy of a run's folder.
        """
        records = []
        for path in entries(self.root):
            try:
                record = read_record(path / RECORD)
                if (own := self.folder(record.digest)) != path:
                    raise InputError(
                        f"{path / RECORD}: is the record of a run whose folder is {own.name}"
                    )
                records.append(record)
            except MissingError:  # a run that has not ended, or none at all
                continue
            except InputError as error:
                warnings.warn(str(error), SkippedWarning, stacklevel=2)
        return sorted(records, key=lambda record: (record.ended, record.digest))

    @contextmanager
    def open(self, digest: str) -> Iterator[RunFolder]:
        """Hold a run's folder, made where it is missing, alone among all processes.

        The lock goes with the process: a killed one leaves none. An InputError says that
        another process holds it, or that the folder cannot be written.
        """
        path = self.folder(digest)
        try:
            path.mkdir(parents=True, exist_ok=True)
            lock = (path / LOCK).open("a")
        except OSError as error:
            raise _unwritable(path, error) from None
        with lock:
            if not take(lock):
                raise InputError(f"run folder {path}: another process is training this run")
            folder = RunFolder(path)
            folder.remove(
                ".checkpoint*", ".weights*", ".record*", ".run*"
            )  # a killed process was writing
            yield folder


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError(f"run folder {path}: cannot be written: {error.strerror}")
