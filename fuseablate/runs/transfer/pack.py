"""From a store into a tar file or a folder. Without torch."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Protocol, cast

from fuseablate.errors import InputError
from fuseablate.io.atomic import atomic_file, beside
from fuseablate.io.lock import is_held
from fuseablate.runs.lookup import StoreSelection
from fuseablate.runs.output import output_target
from fuseablate.runs.store import NEWEST, RECORD, WEIGHTS
from fuseablate.runs.stored import StoredRun, stored_run
from fuseablate.runs.transfer.contents import (
    CONTENTS,
    FORMAT,
    Contents,
    FileEntry,
    Meter,
    Summed,
    belongs,
)
from fuseablate.runs.unfinished import DESCRIPTION, newest_checkpoint
from fuseablate.version import __version__

TAR = ".tar"


@dataclass
class Exported:
    """How many an export holds of each."""

    runs: int = 0
    weights: int = 0
    checkpoints: int = 0
    studies: int = 0
    notes: list[str] = field(default_factory=list)
    """What it lacks, a line each."""


def export_runs(
    selection: StoreSelection, target: Path, meter: Meter, *, weights: bool, checkpoints: bool
) -> Exported:
    """Write runs and studies to `target`: a tar file where it ends in .tar, else a new folder.

    Records always; weights, and the checkpoints of runs that have not ended, where they are
    wanted. `target` is there whole or not at all. An `InputError` says that nothing is left to
    write, or why it cannot be written.
    """
    done = Exported()
    try:
        with _new_tar(target) if target.suffix == TAR else _new_folder(target) as writer:
            packer = _Packer(writer, meter, done)
            for folder in selection.runs:
                packer.run(folder, weights=weights, checkpoints=checkpoints)
            for folder in selection.studies:
                packer.study(folder)
            if not packer.files:
                raise InputError("; ".join(["there is nothing to export", *done.notes]))
            packer.finish()
    except OSError as error:
        where = error.filename or target
        raise InputError(f"{where}: cannot be exported: {error.strerror or error}") from None
    return done


class _Writer(Protocol):
    def add(self, name: str, content: Summed, size: int) -> None: ...


@dataclass
class _Packer:
    writer: _Writer
    meter: Meter
    done: Exported
    files: dict[str, FileEntry] = field(default_factory=dict)

    def run(self, folder: Path, *, weights: bool, checkpoints: bool) -> None:
        for _ in range(2):  # a run may end, and its checkpoint go, between the look and the opening
            with ExitStack() as opened, contextlib.suppress(FileNotFoundError):
                run = stored_run(folder)
                paths = self._paths(run, weights=weights, checkpoints=checkpoints)
                files = [(name, opened.enter_context(path.open("rb"))) for name, path in paths]
                for name, file in files:
                    self._add(f"{run.id}/{name}", file)
                self.done.runs += bool(files)
                self.done.weights += any(name == WEIGHTS for name, _ in files)
                self.done.checkpoints += any(name == NEWEST for name, _ in files)
                return

    def _paths(self, run: StoredRun, *, weights: bool, checkpoints: bool) -> list[tuple[str, Path]]:
        if run.problem:
            self.done.notes.append(f"left out: {run.problem}")
            return []
        if run.record:
            wanted = [RECORD, *([WEIGHTS] if weights and not run.record.failure else [])]
            present = [name for name in wanted if (run.folder / name).exists()]
            if len(present) < len(wanted):
                self.done.notes.append(f"run {run.id}: has no {WEIGHTS} here")
            return [(name, run.folder / name) for name in present]
        checkpoint = newest_checkpoint(run.folder)
        if not checkpoints or not checkpoint:
            why = "--checkpoints takes it along" if checkpoint else "it has no checkpoint yet"
            self.done.notes.append(f"run {run.id}: has not ended, and is left out; {why}")
            return []
        about = [(DESCRIPTION, run.folder / DESCRIPTION)] if run.description else []
        return [*about, (NEWEST, checkpoint.path)]

    def study(self, folder: Path) -> None:
        if is_held(folder):
            said = f"study {folder.name}: is being run; its folder is left out, its runs are not"
            self.done.notes.append(said)
            return
        paths = sorted(path for path in folder.iterdir() if path.is_file())
        named = [(f"studies/{folder.name}/{path.name}", path) for path in paths]
        for name, path in named:
            if belongs(name):
                with path.open("rb") as file:
                    self._add(name, file)
        self.done.studies += any(belongs(name) for name, _ in named)

    def _add(self, name: str, file: IO[bytes]) -> None:
        size = os.fstat(file.fileno()).st_size
        self.meter.begin(name, size)
        content = Summed(file, size, self.meter.advance)
        self.writer.add(name, content, size)
        if content.missing:
            raise InputError(f"{name}: shrank while it was exported; export again")
        self.files[name] = FileEntry(size, content.sha256)

    def finish(self) -> None:
        """Write the list of all files, as the last of them."""
        created = datetime.now(UTC).isoformat(timespec="seconds")
        text = Contents(FORMAT, __version__, created, self.files).to_json().encode()
        content = Summed(io.BytesIO(text), len(text), lambda _: None)
        self.writer.add(CONTENTS, content, len(text))


@dataclass
class _Tar:
    tar: tarfile.TarFile

    def add(self, name: str, content: Summed, size: int) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mtime = size, int(datetime.now(UTC).timestamp())
        self.tar.addfile(info, cast("IO[bytes]", content))


@dataclass
class _Folder:
    root: Path

    def add(self, name: str, content: Summed, size: int) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            content.copy_to(file)
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def _new_tar(target: Path) -> Iterator[_Writer]:
    path = output_target(target, "FILE")  # a link's file is replaced, not the link
    if isinstance(path, int) or (path.exists() and not path.is_file()):
        raise InputError(f"{target}: is not a file; name a new one")
    with (
        atomic_file(path) as file,
        tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        yield _Tar(tar)


@contextmanager
def _new_folder(target: Path) -> Iterator[_Writer]:
    if target.exists() or target.is_symlink():
        raise InputError(
            f"{target}: already exists; name a new folder, or a file that ends in {TAR}"
        )
    output_target(target, "FILE")
    temporary = beside(target.absolute())
    temporary.mkdir()
    try:
        yield _Folder(temporary)
        temporary.rename(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
