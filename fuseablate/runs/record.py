"""What a run left behind: frozen data, JSON in and out. Without torch."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from fuseablate.errors import InputError
from fuseablate.io.checked import only, read_as
from fuseablate.io.display import Displayed
from fuseablate.io.terminal import duration, short

SCHEMA_VERSION = 1
FailedPart: TypeAlias = Literal["training", "validation"]


@dataclass(frozen=True)
class Curves:
    """One value an epoch.

    The training loss and top-1 are those of the batches as they were trained on (augmented,
    with dropout and label smoothing).
    """

    lr: tuple[float, ...] = ()
    """Of the epoch's first step."""
    train_loss: tuple[float, ...] = ()
    train_top1: tuple[float, ...] = ()
    """From 0 to 1."""
    val_loss: tuple[float, ...] = ()
    """None, as of `val_top1`, on data without validation images."""
    val_top1: tuple[float, ...] = ()
    """From 0 to 1."""
    seconds: tuple[float, ...] = ()
    """Of the whole epoch."""
    images_per_second: tuple[float, ...] = ()
    """Of its training alone."""

    def __post_init__(self) -> None:
        lengths = {name: len(column) for name, column in vars(self).items()}
        if lengths["val_loss"] == lengths["val_top1"] == 0:
            del lengths["val_loss"], lengths["val_top1"]
        if len(set(lengths.values())) > 1:
            raise InputError("one value an epoch is missing")

    def __len__(self) -> int:
        return len(self.lr)

    def extended(self, **values: float) -> Curves:
        """Return the curves with one more epoch; without validation, a value for all others."""
        return Curves(
            **{
                name: (*column, values[name]) if name in values else column
                for name, column in vars(self).items()
            }
        )


@dataclass(frozen=True)
class Score:
    """A network on one part of the data."""

    images: int
    loss: float
    """Mean cross-entropy."""
    top1: float
    """From 0 to 1."""
    top5: float


@dataclass(frozen=True)
class TestScore(Score):
    """The one reading of the test set."""

    __test__ = False  # a score, not a test that pytest should collect

    per_class: tuple[float | None, ...]
    """The top-1 of each class; None of one without test images."""
    right: str
    """Whether each image was classified rightly, as `pack_bits` writes it."""

    def __post_init__(self) -> None:
        try:
            size = len(base64.b64decode(self.right, validate=True))
        except ValueError:
            size = -1
        if size != -(-self.images // 8):
            raise InputError(f"right: not the bits of {self.images} images")


@dataclass(frozen=True)
class Failure:
    """Where a loss was not finite."""

    step: int
    """From 1, like the epoch."""
    epoch: int
    lr: float
    """Of that step."""
    loss: str
    part: FailedPart


@dataclass(frozen=True)
class TeacherCost:
    """What a run was distilled from, and what that cost: none of it is among the run's own."""

    run: str
    """The teacher's digest."""
    network: str
    recipe: str
    params: int
    macs: int
    """Of an image, of which each step passes a batch through the teacher as well."""
    seconds: float
    """Of its training, and of its own teachers'."""

    @property
    def words(self) -> str:
        """What it is and what it cost, in words."""
        costs = f"{short(self.params)} params, {short(self.macs)} MACs an image"
        spent = f"trained for {duration(self.seconds)}"
        return f"run {self.run[:16]} ({self.network}, {costs}, {spent})"


@dataclass(frozen=True)
class Record(Displayed, view="fuseablate.show:print_record"):
    """One run: a network, a recipe, data and a seed, and what came of them."""

    schema_version: Annotated[int, only(SCHEMA_VERSION)] = field(
        default=SCHEMA_VERSION, kw_only=True
    )
    """First, so that of a later version nothing else is complained of."""
    digest: str
    """Names the run."""
    status: Literal["finished", "failed"]
    """A finished run has `val` and `test`, a failed one has `failure`. On data without validation
    images there is no `val`."""
    spec_name: str
    label: str
    edits: tuple[str, ...]
    spec: Mapping[str, Any]
    recipe_name: str
    recipe: Mapping[str, Any]
    data_title: str
    data: Mapping[str, Any]
    """The identity of the data."""
    class_names: tuple[str, ...]
    seed: int
    params: int
    macs: int
    curves: Curves
    val: Score | None
    test: TestScore | None
    failure: Failure | None
    stopped_epoch: int | None
    """The epoch after which early stopping ended the run."""
    environment: Mapping[str, Any]
    notes: tuple[str, ...]
    started: str
    """UTC in ISO 8601, as is `ended`."""
    ended: str
    untested: bool = False
    """Trained to choose by, as a search's trials are: it has not read the test set."""
    plugins: tuple[str, ...] = ()
    """The files or packages of plug-ins that it needs."""
    teacher: TeacherCost | None = None
    """Of a distilled run."""

    def __post_init__(self) -> None:
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
        validated = bool(self.val) or self.data.get("val") == 0
        if self.status == "finished" and not (validated and (self.test or self.untested)):
            raise InputError("status finished: needs val and test; untested, val alone")
        if self.untested and self.test:
            raise InputError("untested = true: takes no test")
        if self.status == "failed" and not self.failure:
            raise InputError("status failed: needs failure")

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


def read_record(path: Path) -> Record:
    """Return the record in a file; an `InputError` names the file and says what is wrong.

    Where there is no file, it is a `MissingError`.
    """
    return read_as(Record, path, "a record", _with_version)


def _with_version(table: Any) -> Any:
    # The class has a default for the runs that end now; a file that does not say is none of ours.
    if isinstance(table, Mapping) and "schema_version" not in table:
        raise InputError("schema_version: missing; it must be given")
    return table


def _is_row(row: object) -> bool:
    return isinstance(row, Mapping) and all(isinstance(row.get(key), str) for key in ("id", "op"))


def _dump(value: object) -> str:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    return json.dumps(value, allow_nan=False)


def pack_bits(bits: Iterable[bool]) -> str:
    """Return bits as base64 text; the first bit is the highest of the first byte, as in numpy."""
    text = "".join("1" if bit else "0" for bit in bits)
    text += "0" * (-len(text) % 8)
    return base64.b64encode(int(f"1{text}", 2).to_bytes(len(text) // 8 + 1)[1:]).decode()
