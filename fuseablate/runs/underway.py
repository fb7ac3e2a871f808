"""A run that has not ended: what it is, and how far its checkpoints have come. Without torch."""

from __future__ import annotations

import dataclasses
import json
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from fuseablate.errors import InputError
from fuseablate.io.checked import read_as
from fuseablate.runs.store import NEWEST, PREVIOUS

DESCRIPTION = "run.json"
MOST = 1 << 26  # bytes of a checkpoint's own pickle, which holds no tensor's numbers


@dataclass(frozen=True)
class Description:
    """What a run is, in the words of its record; nothing depends on it."""

    digest: str
    spec_name: str
    label: str
    recipe_name: str
    epochs: int
    data_title: str
    seed: int

    def to_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(dataclasses.asdict(self), indent=1) + "\n"

    @classmethod
    def load(cls, folder: Path) -> Description | None:
        """Return that of the run in `folder`; None where there is none that can be read."""
        try:
            return read_as(cls, folder / DESCRIPTION)
        except InputError:
            return None


@dataclass(frozen=True)
class Reached:
    """A checkpoint: the file, the digest of its run, the epochs done."""

    path: Path
    digest: str
    epochs: int


class _Inert:
    """What stands for every object of a checkpoint but plain values: nothing is ever called."""

    def __init__(self, *values: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass


class _PlainValues(pickle.Unpickler):
    """Reads the numbers, texts, lists and tables of a pickle, and runs nothing that it names."""

    def find_class(self, module: str, name: str) -> Any:
        return _Inert

    def persistent_load(self, pid: object) -> Any:
        return None


def reached(path: Path, *, whole: bool = False) -> Reached:
    """Return how far a checkpoint has come; an `InputError` says that the file is none.

    whole: whether all of the file is held against the sums that it has within.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            spoilt = archive.testzip() if whole else None
            if spoilt is not None:
                raise ValueError(f"{spoilt} has a wrong checksum")
            name = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
            if archive.getinfo(name).file_size > MOST:
                raise ValueError("it is too large")
            with archive.open(name) as file:
                return _reached(path, file)
    except Exception as error:  # the unpickler raises what its bytes lead it to
        said = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: is no checkpoint of a run: {said}") from None


def _reached(path: Path, file: IO[bytes]) -> Reached:
    content = _PlainValues(file).load()
    curves = content["state"]["curves"]
    if not isinstance(content["run"], str) or not isinstance(curves, Mapping):
        raise ValueError("it names no run")
    return Reached(path, content["run"], len(curves["lr"]))


def newest(folder: Path) -> Reached | None:
    """Return the newest checkpoint of a run's folder that can be read, None without one."""
    for name in (NEWEST, PREVIOUS):
        try:
            return reached(folder / name)
        except InputError:
            continue
    return None
