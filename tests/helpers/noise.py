"""Batches of noise, of the network's own type of numbers: float64 where that is the default."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fuseablate.streams import stream

CLASSES = 5
BATCH = 6
Size = tuple[int, int]


class Noise:
    """Batches of noise, a stream for each run; of a run alone they are the same as in a stack."""

    def __init__(self, runs: Sequence[int], size: Size, steps: int, batch: int = BATCH) -> None:
        self._runs, self._size, self._steps, self._batch = runs, size, steps, batch

    def __len__(self) -> int:
        return self._steps

    @property
    def image_size(self) -> Size:
        return self._size

    def draw(self) -> list[Tensor]:
        streams = [stream(run, "noise") for run in self._runs]
        steps, batch = self._steps, self._batch
        shape = (steps, batch, 3, *self._size)
        images = torch.cat([torch.randn(shape, generator=each) for each in streams], 1)
        labels = [torch.randint(CLASSES, (steps, batch), generator=each) for each in streams]
        return [images, torch.cat(labels, 1)]

    def make(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return images.contiguous(memory_format=torch.channels_last), labels
