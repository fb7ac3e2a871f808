"""The table of data sets: what each is called, what it takes, and who loads it. Without torch.

A new data set is a function `load(request: Request) -> Data`, and a row of `DATA_SETS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fuseablate.errors import InputError, unknown
from fuseablate.plugins import Registry

Triple = tuple[float, float, float]
MEMORY_LIMIT = 4 * 2**30  # bytes of a set's images that are held in memory, or by a device


@dataclass(frozen=True)
class Count:
    """An argument of a data set: a whole number within bounds."""

    default: int | None
    """Taken where none is given; None: one must be given."""
    least: int
    most: int | None = None
    doc: str = ""

    def checked(self, place: str, value: object) -> int:
        """Return the value; an `InputError` says that it is not within the bounds."""
        if not isinstance(value, int) or isinstance(value, bool):
            raise InputError(f"{place} = {value!r}: must be a whole number")
        most = value if self.most is None else self.most
        if self.least <= value <= most:
            return value
        bounds = f"at least {self.least}" if self.most is None else f"from {self.least} to {most}"
        if self.least == self.most:
            bounds = str(most)
        nearest = self.least if value < self.least else most
        raise InputError(f"{place} = {value}: must be {bounds} (nearest: {nearest})")


@dataclass(frozen=True)
class DataSet:
    """A row of the table."""

    name: str
    title: str
    """What a reader of results is told."""
    load: str
    """Where its loader is, `module:function`: it takes a `Request` and returns `Data`."""
    arguments: Mapping[str, Count]
    """Its own, beside those that every data set takes; `size` is in pixels, height and width."""
    classes: int | None = None
    """How many; None where an argument or the files say it."""
    root: Path | None = None
    """Where its files are looked for, unless a place is given."""
    needs_root: bool = False
    """Whether a place must be given."""

    @property
    def defined_in(self) -> str:
        """The Python module that loads it."""
        return self.load.partition(":")[0]

    def filled(self, given: Mapping[str, object]) -> dict[str, int]:
        """Return all arguments: those `given`, checked, and the defaults of those that are None.

        Raise `InputError` for one that it does not take, that is missing, or out of bounds.
        """
        for key in given:
            if key not in self.arguments and given[key] is not None:
                raise unknown(f"argument of {self.name} data", key, self.arguments)
        filled: dict[str, int] = {}
        for key, count in self.arguments.items():
            value = count.default if given.get(key) is None else given[key]
            if value is None:
                raise InputError(f"{key}: missing; {self.name} data need it, such as {key} = 32")
            filled[key] = count.checked(f"{self.name} data: {key}", value)
        return filled


@dataclass(frozen=True)
class Request:
    """A data set that is asked for: what its loader needs to know."""

    dataset: DataSet
    arguments: Mapping[str, int]
    """All of the data set's own, `size` among them."""
    root: Path | None
    """Where its files lie; None for one that has no files."""
    split_seed: int
    """Chooses the validation images."""
    mean: Triple | None
    """Of the channels, where a byte of 255 is 1; None: the data set's own."""
    std: Triple | None
    memory_limit: int
    """Bytes that the images may take in memory."""
    download: bool
    """Whether files that are missing may come from the network."""
    val: int | None = None
    """How many validation images there are to be: 0, or None for a tenth of each class."""


_CIFAR = {"size": Count(32, 32, 32, doc="The side of its images, in pixels.")}
_GENERATED = {
    "size": Count(32, 8, 512, doc="The side of the images, in pixels."),
    "seed": Count(0, 0, doc="What is drawn."),
    "classes": Count(100, 2, 100),
    "train_images": Count(100, 2, doc="For each class."),
    "test_images": Count(20, 1, doc="For each class."),
}
_FOLDER = {"size": Count(None, 1, doc="The side that images are brought to, in pixels.")}
_ROWS = (
    DataSet("cifar100", "CIFAR-100", "fuseablate.data.cifar:load", _CIFAR, 100, root=Path("data")),
    DataSet("cifar10", "CIFAR-10", "fuseablate.data.cifar:load", _CIFAR, 10, root=Path("data")),
    DataSet(
        "generated",
        "generated shapes (not a benchmark)",
        "fuseablate.data.generated:load",
        _GENERATED,
    ),
    DataSet(
        "folder",
        "folder of images",
        "fuseablate.data.folder:load",
        _FOLDER,
        needs_root=True,
    ),
)


def _check(name: str, part: DataSet) -> None:
    if not isinstance(part, DataSet):
        raise InputError(f"is a {type(part).__name__}, and not a DataSet")
    if part.name != name:
        raise InputError(f"its own name is '{part.name}'; write one")
    if "size" not in part.arguments:
        raise InputError("its arguments lack 'size', the height and width of its images in pixels")


DATA_SETS = Registry("datasets", {row.name: row for row in _ROWS}, _check)


def check_val(val: object) -> None:
    """Refuse a number of validation images that is not 0, nor None for a tenth of each class."""
    if val is not None and (isinstance(val, bool) or val != 0):
        raise InputError(
            f"val = {val}: must be 0, so that all images are trained on (for reproductions only), "
            "or left out: a tenth of each class"
        )
