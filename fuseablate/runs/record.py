"""What a run left behind: frozen data, JSON in and out. Without torch."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from fuseablate.errors import InputError
from fuseablate.io.checked import checked_dataclass
from fuseablate.io.reading import parse_json

SCHEMA_VERSION = 1
FailedPart: TypeAlias = Literal["training", "validation"]


@dataclass(frozen=True)
class Curves:
    """One value an epoch: rate of its first step, mean loss, top-1 (0 to 1), seconds, images/s.

    The training loss and top-1 are those of the batches as they were trained on (augmented,
    with dropout and label smoothing); seconds are those of the whole epoch, images/s those of
    its training alone.
    """

    lr: tuple[float, ...] = ()
    train_loss: tuple[float, ...] = ()
    train_top1: tuple[float, ...] = ()
    val_loss: tuple[float, ...] = ()
    val_top1: tuple[float, ...] = ()
    seconds: tuple[float, ...] = ()
    images_per_second: tuple[float, ...] = ()

    def __len__(self) -> int:
        """Return the number of epochs."""
        return len(self.lr)

    def extended(self, **values: float) -> Curves:
        """Return the curves with one more epoch."""
        return Curves(**{name: (*column, values[name]) for name, column in vars(self).items()})


@dataclass(frozen=True)
class Score:
    """A network on one part of the data: mean cross-entropy, top-1 and top-5 (0 to 1)."""

    images: int
    loss: float
    top1: float
    top5: float


@dataclass(frozen=True)
class TestScore(Score):
    """The one reading of the test set.

    `per_class` is the top-1 of each class; a class without test images has None. `right` says
    for each image whether it was classified rightly: bits, first image first, as
    `numpy.packbits` packs them, in base64.
    """

    __test__ = False  # a score, not a test that pytest should collect

    per_class: tuple[float | None, ...]
    right: str

    def has_all_images(self) -> bool:
        """Return whether `right` holds a bit for each image, and no more than a byte has."""
        try:
            return len(base64.b64decode(self.right, validate=True)) == -(-self.images // 8)
        except ValueError:
            return False

    def right_images(self) -> tuple[bool, ...]:
        """Return for each test image whether it was classified rightly."""
        return unpack_bits(self.right, self.images)


@dataclass(frozen=True)
class Failure:
    """Where a loss was not finite: step and epoch from 1, the rate of that step."""

    step: int
    epoch: int
    lr: float
    loss: str
    part: FailedPart


@dataclass(frozen=True)
class Record:
    """One run: a network, a recipe, data and a seed, and what came of them.

    `digest` names the run. `spec`, `recipe` and `data` are JSON-able tables. A finished run
    has `val` and `test`, a failed one has `failure`. An `untested` run was trained to choose by,
    as a search's trials are: the test set has not been read with it, so that it has no `test`.
    `stopped_epoch` is the epoch after which early stopping ended the run. Times are UTC in
    ISO 8601.
    """

    digest: str
    status: Literal["finished", "failed"]
    spec_name: str
    label: str
    edits: tuple[str, ...]
    spec: Mapping[str, Any]
    recipe_name: str
    recipe: Mapping[str, Any]
    data_title: str
    data: Mapping[str, Any]
    class_names: tuple[str, ...]
    seed: int
    params: int
    macs: int
    curves: Curves
    val: Score | None
    test: TestScore | None
    failure: Failure | None
    stopped_epoch: int | None
    environment: Mapping[str, Any]
    notes: tuple[str, ...]
    started: str
    ended: str
    untested: bool = False
    schema_version: int = SCHEMA_VERSION

    @property
    def seconds(self) -> float:
        """Return the seconds of all epochs, the test not counted."""
        return sum(self.curves.seconds)

    def serves(self, tested: bool) -> bool:
        """Return whether the run is what is asked for: `tested`, or trained to choose by."""
        return not (tested and self.untested)

    def is_test_of(self, other: Record) -> bool:
        """Return whether this is what `other`, an untested run, became when it was tested."""
        noted = self.notes[: len(other.notes)]
        before = dataclasses.replace(self, untested=True, test=None, notes=noted)
        return not self.untested and before == other

    def to_json(self) -> str:
        """Return the record as JSON, one key a line."""
        table = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        lines = (f"{json.dumps(key)}: {_dump(value)}" for key, value in table.items())
        return "{\n" + ",\n".join(lines) + "\n}\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Record:
        """Return the record that `to_json` wrote; an InputError says why it is none."""
        try:
            table = parse_json(text)
        except InputError as error:
            raise error.within("not a record") from None
        if not isinstance(table, dict) or "schema_version" not in table:
            raise InputError("not a record: it has no schema_version")
        if (version := table["schema_version"]) != SCHEMA_VERSION:
            raise InputError(f"schema_version {version}: this version reads {SCHEMA_VERSION}")
        return checked_dataclass(cls, table).whole()

    def whole(self) -> Record:
        """Return the record; raise `InputError` where its parts do not belong together."""
        match self.data.get("image_size"):
            case [int(), int()]:
                pass
            case size:
                raise InputError(f"data.image_size = {size}: must be a height and a width")
        if not isinstance(self.recipe.get("epochs"), int):
            raise InputError("recipe.epochs: must be a number of epochs")
        rows = self.spec.get("rows")
        if not isinstance(rows, list | tuple) or not all(_is_row(row) for row in rows):
            raise InputError("spec.rows: must be rows, each with its id and op")
        columns = {len(column) for column in vars(self.curves).values()}
        if len(columns) > 1:
            raise InputError("curves: one value an epoch is missing")
        if self.status == "finished" and not (self.val and (self.test or self.untested)):
            raise InputError("status finished: needs val and test; untested, val alone")
        if self.untested and self.test:
            raise InputError("untested = true: takes no test")
        if self.status == "failed" and not self.failure:
            raise InputError("status failed: needs failure")
        if self.test and not self.test.has_all_images():
            raise InputError(f"test.right: not the bits of {self.test.images} images")
        return self


def _is_row(row: object) -> bool:
    return isinstance(row, Mapping) and all(isinstance(row.get(key), str) for key in ("id", "op"))


def _dump(value: object) -> str:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    return json.dumps(value, allow_nan=False)


def pack_bits(bits: Iterable[bool]) -> str:
    """Return bits as base64 text; the first bit is the highest of the first byte."""
    text = "".join("1" if bit else "0" for bit in bits)
    text += "0" * (-len(text) % 8)
    return base64.b64encode(int(f"1{text}", 2).to_bytes(len(text) // 8 + 1)[1:]).decode()


def unpack_bits(text: str, count: int) -> tuple[bool, ...]:
    """Return the first `count` bits that `pack_bits` packed."""
    data: Sequence[int] = base64.b64decode(text)
    return tuple(bool(data[index // 8] >> (7 - index % 8) & 1) for index in range(count))
