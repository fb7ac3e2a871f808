"""A data set on its way to the nodes of a cluster: once to each, by Ray's object store.

The images lie there in memory that all processes of a node share and none can write to.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

from fuseablate.errors import UnreadableError

if TYPE_CHECKING:
    from fuseablate.data.parts import Data, Part

Arrays: TypeAlias = tuple[Any, Any]  # of images, uint8 (N, H, W, 3), and of labels, int64 (N,)
PARTS = ("train", "val", "test")


class Shipment(TypedDict):
    """A data set: what is small of it, and where the rest lies."""

    fields: Mapping[str, Any]
    """Those of `Data` but for the parts."""
    digests: Mapping[str, str]
    """The SHA-256 of each part."""
    parts: Mapping[str, Any]
    """Ray's references to `Arrays`, by `train`, `val` and `test`."""


def shipped(data: Data, put: Callable[[Arrays], Any]) -> Shipment:
    """Put the parts of a data set into an object store, the test set among them."""
    names = ("name", "title", "class_names", "mean", "std", "identity", "parts")
    parts = zip(PARTS, (data.train, data.val, data.test()), strict=True)
    arrays = {name: _arrays(part) for name, part in parts}
    return {
        "fields": {name: getattr(data, name) for name in names},
        "digests": {name: digest(*pair) for name, pair in arrays.items()},
        "parts": {name: put(pair) for name, pair in arrays.items()},
    }


def bytes_of(data: Data) -> int:
    """Return the bytes of the images that are in memory."""
    return data.train.images.nbytes + data.val.images.nbytes


def received(shipment: Shipment, get: Callable[[Any], Arrays]) -> Data:
    """Return the data set that was shipped; the test set is fetched when it is read.

    Raise `UnreadableError` where what arrives is not what was sent.
    """
    from fuseablate.data.parts import Data

    def part(name: str) -> Part:
        images, labels = get(shipment["parts"][name])
        if digest(images, labels) != shipment["digests"][name]:
            raise UnreadableError(f"data: the {name} part arrived with another digest")
        return _part(images, labels)

    return Data(
        **shipment["fields"],
        train=part("train"),
        val=part("val"),
        read_test=lambda: part("test"),
    )


def digest(images: Any, labels: Any) -> str:
    """Return the SHA-256 of a part, its shapes included."""
    summed = hashlib.sha256(repr((images.shape, labels.shape)).encode())
    summed.update(images)
    summed.update(labels)
    return summed.hexdigest()


def _arrays(part: Part) -> Arrays:
    pixels = part.images.permute(0, 2, 3, 1).contiguous()
    return pixels.numpy(), part.labels.contiguous().numpy()


def _part(images: Any, labels: Any) -> Part:
    import torch

    from fuseablate.data.parts import Part

    with warnings.catch_warnings(action="ignore"):  # of memory that cannot be written to: nor is it
        pixels, classes = torch.from_numpy(images), torch.from_numpy(labels)
    return Part(pixels.permute(0, 3, 1, 2), classes)
