"""A run that has not ended: what it is, and how far its checkpoints have come. Without torch."""

from __future__ import annotations

import dataclasses
import json
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from fuseablate.errors import InputError
from fuseablate.io.checked import checked_dataclass, read_as
from fuseablate.runs.record import Curves
from fuseablate.runs.store import NEWEST, PREVIOUS

DESCRIPTION = "run.json"
PICKLE_BYTES = 1 << 26  # of a checkpoint's own pickle, which holds no tensor's numbers


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
        return json.dumps(dataclasses.asdict(self), indent=1) + "\n"

    @classmethod
    def load(cls, folder: Path) -> Description | None:
        """Return that of the run in `folder`; None where there is none that can be read."""
        try:
            return read_as(cls, folder / DESCRIPTION, "the description of a run")
        except InputError:
            return None


@dataclass(frozen=True)
class SavedValues:
    """What of the state in a checkpoint is no tensor."""

    curves: Curves
    notes: tuple[str, ...]
    started: str
    device: str
    threads: Annotated[int, Field(ge=1)]
    place: str = ""
    """The hardware and the version of torch; checkpoints of earlier versions do not say."""
    steps: str = "alone, eager"
    """How they were taken; earlier versions knew no other way."""

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> SavedValues:
        """Return those of a saved state; an `InputError` says why it is none."""
        names = {field.name for field in dataclasses.fields(cls)}
        return checked_dataclass(cls, {name: state[name] for name in names & state.keys()})


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint in a run's folder, as it is read without torch."""

    path: Path
    digest: str
    """That of its run."""
    epochs: int
    """How many are done."""


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


def read_checkpoint(path: Path, *, verify: bool = False) -> Checkpoint:
    """Return how far a checkpoint has come; an `InputError` says that the file is none.

    verify: whether all of the file is checked against the sums that it has within.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            spoilt = archive.testzip() if verify else None
            if spoilt is not None:
                raise ValueError(f"{spoilt} has a wrong checksum")
            name = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
            if archive.getinfo(name).file_size > PICKLE_BYTES:
                raise ValueError("it is too large")
            with archive.open(name) as file:
                content = _PlainValues(file).load()
        digest, state = content["run"], content["state"]
        if not isinstance(digest, str) or not isinstance(state, Mapping):
            raise ValueError("it names no run")
        return Checkpoint(path, digest, len(SavedValues.of(state).curves))
    except Exception as error:  # the unpickler raises what its bytes lead it to
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: is not a run's checkpoint: {reason}") from None


def newest_checkpoint(folder: Path) -> Checkpoint | None:
    """Return the newest checkpoint of a run's folder that can be read, None without one."""
    for name in (NEWEST, PREVIOUS):
        try:
            return read_checkpoint(folder / name)
        except InputError:
            continue
    return None
