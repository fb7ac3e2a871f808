"""Batches, made where training runs: no worker processes, no copy of the set but its bytes.

All random numbers are drawn on the CPU, so that every device sees the same batches.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from fuseablate.data.augmentations import SEED_VALUES, Augmentations
from fuseablate.data.parts import Data, Part
from fuseablate.data.sets import MEMORY_LIMIT
from fuseablate.data.transforms import augment as augmented
from fuseablate.data.transforms import (
    crop_and_flip,
    crop_padding,
    normalise,
    normalised_bytes,
)
from fuseablate.errors import InputError


class TrainBatches:
    """The training batches of one epoch after another, shuffled, cropped and mirrored.

    Each `iter()` is one epoch. It draws the epoch's order from `order`, and its offsets and
    flips from `augment`, at once: the two generators' states between epochs are all that is
    needed to go on from there. With a generator of each for several runs, a batch holds the images
    of one run after those of another.

    The last images of the order are dropped where they don't fill a batch, so that each step
    averages its gradient and its batch statistics over the same number of images; the next
    epoch drops others.
    """

    def __init__(
        self,
        part: Part,
        data: Data,
        batch_size: int,
        device: torch.device | str,
        *,
        order: Sequence[torch.Generator],
        augment: Sequence[torch.Generator],
        augmentations: Sequence[Augmentations | None] | None = None,
    ) -> None:
        """`order` and `augment` are a generator of each run; so are the `augmentations` a run's."""
        if not 1 <= batch_size <= len(part):
            raise InputError(
                f"batch size {batch_size} must be from 1 to the {len(part):,} training images"
            )
        self._batch_size = batch_size
        self._device = torch.device(device)
        own = augmentations or [None] * len(order)
        self._streams = tuple(zip(order, augment, own, strict=True))
        self.is_augmented = any(own)
        """Whether a run's images are changed one by one, on the CPU."""
        self._padding = crop_padding(part.images.shape[2])
        self._table = normalised_bytes(data.mean, data.std).to(self._device)
        # Pixel by pixel in memory: an image is then one copy, and the result is channels-last.
        pixels = part.images.permute(0, 2, 3, 1).contiguous()
        self.is_streamed = pixels.nbytes > MEMORY_LIMIT and self._device.type != "cpu"
        """Whether each batch is brought to the device, which is not to hold so many images."""
        self._images = pixels if self.is_streamed else pixels.to(self._device)
        self._labels = part.labels.to(self._device)

    @property
    def image_size(self) -> tuple[int, int]:
        """The height and width of an image."""
        return self._images.shape[1], self._images.shape[2]

    def __len__(self) -> int:
        return len(self._labels) // self._batch_size

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Draw an epoch and return its batches.

        A batch is that of `make`.
        """
        draws = [draw.to(self._device).unbind() for draw in self.draw()]
        return itertools.starmap(self.make, zip(*draws, strict=True))

    def draw(self) -> list[Tensor]:
        """Draw an epoch: indices, left edges, top edges and flips, each (steps, S * N).

        With augmentations also what each image's draw from.
        """
        draws = zip(*(self._drawn(*streams) for streams in self._streams), strict=True)
        return [torch.cat(of_runs, 1) for of_runs in draws]

    def make(
        self, chosen: Tensor, dx: Tensor, dy: Tensor, flip: Tensor, seeds: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return a batch of what `draw` has drawn for a step, moved to the device.

        It is float32 `(S * N, 3, H, W)`, normalised and channels-last, and int64 labels `(S * N,)`,
        both on the device, of S runs.
        """
        pixels = self._images.index_select(0, chosen.to(self._images.device))
        images = pixels.to(self._device).permute(0, 3, 1, 2)
        if seeds is None:
            batch = augmented(images, dx, dy, flip, padding=self._padding, table=self._table)
        else:
            cut = crop_and_flip(images, dx, dy, flip, self._padding)
            runs = len(self._streams)
            parts = zip(cut.chunk(runs), seeds.chunk(runs), self._streams, strict=True)
            changed = [own(part, drawn) if own else part for part, drawn, (*_, own) in parts]
            batch = normalise(torch.cat(changed), self._table)
        return batch, self._labels.index_select(0, chosen)

    def _drawn(
        self, order: torch.Generator, augment: torch.Generator, own: Augmentations | None
    ) -> list[Tensor]:
        """Return a run's order, left edges, top edges, flips and seeds, each (steps, N)."""
        count = len(self) * self._batch_size
        chosen = torch.randperm(len(self._labels), generator=order)[:count]
        offsets = torch.randint(0, 2 * self._padding + 1, (2, count), generator=augment)
        flips = torch.rand(count, generator=augment) < 0.5
        draws = [chosen, *offsets, flips]
        if self.is_augmented:
            none = torch.zeros_like(chosen)
            draws.append(torch.randint(SEED_VALUES, (count,), generator=augment) if own else none)
        return [draw.view(len(self), -1) for draw in draws]


def eval_batches(
    part: Part, data: Data, batch_size: int, device: torch.device | str
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield all images in their order, normalised and nothing else; the last batch may be short.

    A batch is float32 `(N, 3, H, W)`, channels-last, and int64 labels `(N,)`, on `device`.
    """
    table = normalised_bytes(data.mean, data.std).to(device)
    pairs = zip(
        torch.split(part.images, batch_size), torch.split(part.labels, batch_size), strict=True
    )
    for images, labels in pairs:
        yield normalise(images.to(device), table), labels.to(device)
