"""A folder of images, in the layout of torchvision's ImageFolder, decoded into memory or a file."""

from __future__ import annotations

import hashlib
import io
import math
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.datasets import ImageFolder
from torchvision.transforms import functional as F

from fuseablate.data.parts import JSON, Data, Part, make_data, stratified_split
from fuseablate.data.sets import Request
from fuseablate.errors import InputError
from fuseablate.io.cores import usable_cores
from fuseablate.io.reading import read_bytes

IMAGE_BYTES = 2**28  # of one file
CHANNELS = 3
THREADS = min(8, usable_cores())  # that decode images
AHEAD = 256  # images that are decoded before they are asked for


def load(request: Request) -> Data:
    """Return the images of `root/train/CLASS/` and `root/test/CLASS/`, `size` x `size`.

    Beside a `root/test`, `root/val` holds the validation images. Where there is no `root/test`,
    `root/val` is the test set. Without a `root/val` of their own, validation images are split off
    from the training set.

    An image is converted to RGB, resized so that its shorter side is `size` (bilinear), and its
    centre is cut out: an image of `size` x `size` stays as it is, byte for byte.

    Every file is read, decoded and digested now, so that a broken test image is found before
    the training and not after it. The test images' pixels are not kept, but decoded when asked
    for, and must then have the same digest.

    Images of more bytes than the memory's limit are decoded into a temporary file, which training
    reads from: it lies in the folder for such files (TMPDIR) and goes with the process.

    Raise `InputError` for a missing folder, fewer than two classes, a class without images,
    test classes that are not the training classes, an image that can't be decoded, and a disk
    without room for a set that memory does not hold.
    """
    assert request.root is not None
    root, size = request.root.expanduser(), request.arguments["size"]
    has_val, has_test = (root / "val").is_dir(), (root / "test").is_dir()
    train_set = _listing(root / "train")
    test_set = _listing(root / ("val" if has_val and not has_test else "test"))
    _check_same_classes(train_set, test_set)
    content: dict[str, JSON] = {}
    if has_val and has_test:
        val_set = _listing(root / "val")
        _check_same_classes(train_set, val_set)
        read = _Reader(size, _fits((train_set, val_set, test_set), size, request.memory_limit))
        pixels, train_digest = read(train_set, torch.arange(len(train_set)))
        val_pixels, content["val"] = read(val_set, torch.arange(len(val_set)))
        train_part = Part(pixels, torch.tensor(train_set.targets))
        val_part = Part(val_pixels, torch.tensor(val_set.targets))
        parts = "trained on train/, validated on val/, tested on test/"
    else:
        read = _Reader(size, _fits((train_set, test_set), size, request.memory_limit))
        labels = torch.tensor(train_set.targets)
        train, val = stratified_split(labels, train_set.classes, request.split_seed, request.val)
        # The training images first, the validation images behind them: two views, no copy.
        pixels, train_digest = read(train_set, torch.cat([train, val]))
        train_part = Part(pixels[: len(train)], labels[train])
        val_part = Part(pixels[len(train) :], labels[val])
        test = "test/" if has_test else "val/, since there is no test/"
        held_out = "a tenth of train/" if len(val) else "nothing"
        parts = f"validated on {held_out}, tested on {test}"
    test_digest = _digest(digest for _, digest in _decoded(test_set, size))

    def read_test() -> Part:
        images, digest = read(test_set, torch.arange(len(test_set)))
        if digest != test_digest:
            raise InputError(f"{test_set.root}: the images have changed since they were checked")
        return Part(images, torch.tensor(test_set.targets))

    name = root.resolve().name
    return make_data(
        request,
        train_set.classes,
        train=train_part,
        val=val_part,
        read_test=read_test,
        source={
            "name": "folder",
            "content": {"train": train_digest, "test": test_digest, **content},
            "resize": "shorter side, bilinear, then centre crop",
        },
        name=name,
        title=f"{request.dataset.title} '{name}'",
        parts=parts,
    )


def _listing(folder: Path) -> Any:
    """Return torchvision's list of the images in `folder`, each class known to have some."""
    layout = "the layout is train/CLASS/IMAGE and test/CLASS/IMAGE (or val for test)"
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; {layout}")
    try:
        listing = ImageFolder(folder, allow_empty=True)
    except FileNotFoundError as error:
        raise InputError(f"{folder} has no class folders; {layout}") from error
    except OSError as error:
        raise InputError(f"{folder}: {error}") from error
    if len(listing.classes) < 2:
        raise InputError(f"{folder} has one class, '{listing.classes[0]}'; at least 2 are needed")
    filled = set(listing.targets)
    for label, name in enumerate(listing.classes):
        if not name.isprintable():
            raise InputError(
                f"{folder}: {name!r} is not a valid class name: it must be one line of text"
            )
        if label not in filled:
            endings = ", ".join(listing.extensions)
            raise InputError(f"{folder / name} has no images (files ending in {endings})")
    return listing


def _check_same_classes(train_set: Any, test_set: Any) -> None:
    for here, there in ((train_set, test_set), (test_set, train_set)):
        alone = sorted(set(here.classes) - set(there.classes))
        if alone:
            raise InputError(
                f"{there.root} lacks the class '{alone[0]}' of {here.root}; "
                "both need the same class folders"
            )


def _fits(listings: Iterable[Any], size: int, limit: int) -> bool:
    """Return whether all images fit into `limit` bytes of memory."""
    return sum(map(len, listings)) * size**2 * CHANNELS <= limit


@dataclass(frozen=True)
class _Reader:
    size: int
    in_memory: bool

    def __call__(self, listing: Any, order: Tensor) -> tuple[Tensor, str]:
        """Return the images, uint8 `(N, 3, size, size)`, in `order`, and the digest of all files.

        The images lie in memory as `(N, size, size, 3)`, or so in a file.
        """
        pixels = self._room(len(listing), str(listing.root))
        digests = []
        for place, (image, digest) in zip(
            order.argsort().tolist(), _decoded(listing, self.size), strict=True
        ):
            pixels[place] = image
            digests.append(digest)
        return torch.from_numpy(pixels).permute(0, 3, 1, 2), _digest(digests)

    def _room(self, count: int, root: str) -> NDArray[np.uint8]:
        shape = (count, self.size, self.size, CHANNELS)
        if self.in_memory:
            return np.empty(shape, np.uint8)
        needed, free = math.prod(shape), shutil.disk_usage(tempfile.gettempdir()).free
        if needed > free:
            raise InputError(
                f"{root}: {count:,} images of {self.size} x {self.size} need {needed / 2**20:,.0f} "
                f"MiB, more than memory may hold, and {tempfile.gettempdir()} has "
                f"{free / 2**20:,.0f} MiB free; use smaller images, or another folder by TMPDIR"
            )
        with tempfile.TemporaryFile() as file:  # it is gone when nothing maps it any more
            return np.memmap(file, np.uint8, "w+", shape=shape)


def _decoded(listing: Any, size: int) -> Iterator[tuple[NDArray[np.uint8], str]]:
    """Yield each image, `(size, size, 3)`, with a line of its path in the part and its SHA-256."""
    paths = [Path(path) for path, _ in listing.samples]

    def decode(path: Path) -> tuple[NDArray[np.uint8], str]:
        image, digest = _image(path, size)
        return image, f"{path.relative_to(listing.root).as_posix()} {digest}"

    # Pillow works outside of Python's lock. Warnings, of images of very many pixels, are errors.
    with ThreadPoolExecutor(THREADS) as pool, warnings.catch_warnings(action="error"):
        for first in range(0, len(paths), AHEAD):
            yield from pool.map(decode, paths[first : first + AHEAD])


def _image(path: Path, size: int) -> tuple[NDArray[np.uint8], str]:
    """Return a file's image, `(size, size, 3)`, and its SHA-256."""
    try:
        content = read_bytes(path, IMAGE_BYTES)
        opened = Image.open(io.BytesIO(content))
        _check_shape(opened.size, size)
        image = opened.convert("RGB")
    except InputError as error:
        raise InputError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from None
    except Exception as error:  # Pillow's readers raise what the bytes lead them to
        raise InputError(f"{path} can't be read as an image: {error}") from None
    cut = F.center_crop(F.resize(image, [size]), [size, size])
    return np.asarray(cut), hashlib.sha256(content).hexdigest()


def _check_shape(pixels: tuple[int, int], size: int) -> None:
    """Refuse an image that would take the memory, here or when its shorter side is `size`."""
    short, long = sorted(pixels)
    most = Image.MAX_IMAGE_PIXELS or 0
    if short * long > most or long * size // short * size > most:
        raise InputError(
            f"can't be read as an image: {pixels[0]} x {pixels[1]} pixels, resized to a shorter "
            f"side of {size}; at most {most:,} pixels are read or made"
        )


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256(os.fsencode("\n".join(lines))).hexdigest()
