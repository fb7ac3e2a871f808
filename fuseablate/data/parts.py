"""What a data set is: three parts held as bytes, their statistics, and what identifies them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TypeAlias

import torch
from torch import Tensor

from fuseablate.data.sets import Request, Triple
from fuseablate.errors import InputError
from fuseablate.streams import stream

# What is said of data without validation images, wherever they are named.
UNVALIDATED = "val = 0: all training images, none for validation"
CAVEAT = " (val = 0: the last epoch counts, and nothing is chosen; for reproductions only)"
JSON: TypeAlias = bool | int | float | str | Sequence["JSON"] | Mapping[str, "JSON"] | None


@dataclass(frozen=True, eq=False)
class Part:
    """Images as bytes, uint8 `(N, 3, H, W)`, and their labels, int64 `(N,)`, both on the CPU.

    Images that lie in memory as `(N, H, W, 3)` (torch's channels-last) are used without a copy.
    """

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        shape = tuple(self.images.shape)
        if self.images.dtype != torch.uint8 or len(shape) != 4 or shape[1] != 3:
            raise InputError(
                f"images are {self.images.dtype} {shape}; uint8 (N, 3, H, W) is needed"
            )
        if self.labels.dtype != torch.int64 or tuple(self.labels.shape) != shape[:1]:
            given = f"{self.labels.dtype} {tuple(self.labels.shape)}"
            raise InputError(f"labels are {given}; int64 ({shape[0]},) is needed")

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> Part:
        """Return the part on a device, itself where it is there already."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))

    def select(self, chosen: Tensor) -> Part:
        """Return a copy of the images of the indices `chosen`, channels-last, in their order."""
        pixels = self.images.permute(0, 2, 3, 1).index_select(0, chosen)
        return Part(pixels.permute(0, 3, 1, 2), self.labels[chosen])


@dataclass(frozen=True, eq=False)
class Data:
    """A data set: the official training set, split in two, and the test set, not yet read.

    Where `val` is empty, all of the official training set is trained on.
    """

    name: str
    title: str
    class_names: tuple[str, ...]
    train: Part
    val: Part
    mean: Triple
    """Of the three channels, in units where a byte of 255 is 1; `std` likewise."""
    std: Triple
    identity: Mapping[str, JSON]
    """All that determines the data and nothing of where they lie: two sets with the same identity
    have the same pixels, labels and split."""
    read_test: Callable[[], Part] = field(repr=False)
    parts: str = ""
    """Where the three parts come from, in words, where that is not plain."""

    def test(self) -> Part:
        """Return the test set, read when it is first asked for; a run does so once, at its end."""
        return self.read_test()

    @property
    def counts(self) -> str:
        """How many images there are and who chose them, in words; the test set stays unread."""
        high, wide = self.image_size
        parts = f"; {self.parts}" if self.parts else ""
        val = (
            f"{len(self.val):,} for validation" if len(self.val) else f"none for validation{CAVEAT}"
        )
        return (
            f"Images: {len(self.train):,} to train on, {val}, "
            f"{high}x{wide}, of {self.classes} classes{parts}"
        )

    @property
    def classes(self) -> int:
        return len(self.class_names)

    @property
    def image_size(self) -> tuple[int, int]:
        """The height and width of every image, in pixels."""
        return self.train.images.shape[2], self.train.images.shape[3]


def make_data(
    request: Request,
    class_names: Sequence[str],
    *,
    train: Part,
    val: Part,
    read_test: Callable[[], Part],
    source: Mapping[str, JSON],
    name: str = "",
    title: str = "",
    parts: str = "",
) -> Data:
    """Return the data set, whose mean and deviation are those asked for, or measured on `train`.

    `source` is the first part of the identity: what fixes the pixels and labels, such as
    digests, or a generator's version and seed. `name` and `title` are the row's unless given;
    `parts` are those of `Data`. The title says where there are no validation images.
    """
    if request.mean is None and request.std is None:
        mean, std = measured_statistics(train)
    else:
        mean, std = _given_statistics(request.mean, request.std)
    identity: dict[str, JSON] = {
        **source,
        "split_seed": request.split_seed,
        "val": len(val),
        "image_size": list(train.images.shape[2:]),
        "mean": list(mean),
        "std": list(std),
    }
    title = title or request.dataset.title
    return Data(
        name or request.dataset.name,
        title if len(val) else f"{title} ({UNVALIDATED})",
        tuple(class_names),
        train,
        val,
        mean,
        std,
        identity,
        cache(read_test),
        parts,
    )


def stratified_split(
    labels: Tensor, class_names: Sequence[str], split_seed: int, val: int | None = None
) -> tuple[Tensor, Tensor]:
    """Return the indices of the training and of the validation images, both ascending.

    A tenth of each class (rounded down, at least one image) is drawn for validation, from a
    stream of its own: the split belongs to the data, not to a run. With `val=0` none is.
    """
    if val == 0:
        return torch.arange(len(labels)), torch.empty(0, dtype=torch.int64)
    generator = stream(split_seed, "split")
    held_out = torch.zeros(len(labels), dtype=torch.bool)
    for label, name in enumerate(class_names):
        members = (labels == label).nonzero()[:, 0]
        if len(members) < 2:
            raise InputError(
                f"class '{name}' has {len(members)} training images; "
                "at least 2 are needed, since one is held out for validation"
            )
        drawn = torch.randperm(len(members), generator=generator)
        held_out[members[drawn[: max(1, len(members) // 10)]]] = True
    return (~held_out).nonzero()[:, 0], held_out.nonzero()[:, 0]


def measured_statistics(part: Part) -> tuple[Triple, Triple]:
    """Return the mean and the standard deviation of each channel, to six decimals.

    They come from exact counts of the 256 byte values, so that they are the same on every
    machine and may be part of an identity.
    """
    counts = torch.zeros(3, 256, dtype=torch.int64)
    for images in torch.split(part.images, 1024):
        for channel in range(3):
            counts[channel] += torch.bincount(images[:, channel].flatten(), minlength=256)
    mean, std = [], []
    for colour, row in zip(("red", "green", "blue"), counts.tolist(), strict=True):
        pixels = sum(row)
        total = sum(value * count for value, count in enumerate(row))
        squares = sum(value**2 * count for value, count in enumerate(row))
        deviation = math.sqrt(pixels * squares - total**2) / pixels  # of exact integers
        mean.append(round(total / pixels / 255, 6))
        std.append(round(deviation / 255, 6))
        if std[-1] == 0:
            raise InputError(
                f"the {colour} channel is the same in every pixel, so it has no standard "
                "deviation to divide by; give mean and std"
            )
    return (mean[0], mean[1], mean[2]), (std[0], std[1], std[2])


def check_memory(what: str, images: int, size: int, limit: int) -> None:
    """Raise `InputError` where so many images of `size` x `size` need more than `limit` bytes."""
    needed = images * size**2 * 3
    if needed > limit:
        fewer, smaller = limit // (size**2 * 3), math.isqrt(limit // (images * 3))
        all_of_them = f", or all of them at {smaller} x {smaller}" if smaller else ""
        raise InputError(
            f"{what}: {images:,} images of {size} x {size} need {needed / 2**20:,.1f} MiB, more "
            f"than the {limit / 2**20:,.1f} MiB allowed; {fewer:,} images of that size would fit"
            f"{all_of_them}"
        )


def _given_statistics(mean: Triple | None, std: Triple | None) -> tuple[Triple, Triple]:
    if mean is None or std is None:
        raise InputError(f"mean = {mean} and std = {std}: give both of them, or neither")
    if len(mean) != 3 or not all(0 <= value <= 1 for value in mean):
        raise InputError(
            f"mean = {mean}: three numbers from 0 to 1 are needed (a byte of 255 is 1)"
        )
    if len(std) != 3 or not all(0 < value <= 1 for value in std):
        raise InputError(f"std = {std}: three numbers above 0, up to 1, are needed (255 is 1)")
    return (
        (float(mean[0]), float(mean[1]), float(mean[2])),
        (float(std[0]), float(std[1]), float(std[2])),
    )
