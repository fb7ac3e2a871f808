"""The two training loops that `fuseablate bench` measures against each other.

Both train the same network with SGD on the same images with the same transforms and batch size.
`ShippedLoop` is what `train` does. `PlainLoop` is what one writes first: PIL images through
torchvision's transforms in a DataLoader with two workers, NCHW memory, torch's own convolutions,
the source's H-Swish and H-Sigmoid as the source writes them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from fuseablate import layers
from fuseablate.data.batches import TrainBatches
from fuseablate.data.parts import Data
from fuseablate.network import PRIMITIVE_MODULES, build, initialise, to_module
from fuseablate.spec import Spec
from fuseablate.streams import stream

WORKERS = 2


class _Sgd:
    """One step of SGD on whatever batch comes next."""

    title: str
    batch_size: int

    def __init__(
        self, network: nn.Module, batches: Iterator[tuple[Tensor, Tensor]], device: str, fused: bool
    ) -> None:
        self._network = network.train()
        self._batches = batches
        self._device = device
        self._optimizer = torch.optim.SGD(
            network.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4,
            fused=fused,
        )  # fmt: skip

    def step(self) -> None:
        """Train on one more batch."""
        images, labels = (part.to(self._device) for part in next(self._batches))
        loss = F.cross_entropy(self._network(images), labels)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()


class ShippedLoop(_Sgd):
    """The path of `train`."""

    title = "shipped"

    def __init__(self, spec: Spec, data: Data, batch_size: int, device: str) -> None:
        self.batch_size = batch_size
        streams = {name: [stream(0, name)] for name in ("order", "augment")}
        batches = TrainBatches(data.train, data, batch_size, device, **streams)
        network = build(spec, size=data.image_size, fast=device == "cpu").to(device)
        network = network.to(memory_format=torch.channels_last)
        super().__init__(network, _endless(batches), device, fused=True)


class PlainLoop(_Sgd):
    """The loop that one writes first."""

    title = "plain"

    def __init__(self, spec: Spec, data: Data, batch_size: int, device: str) -> None:
        self.batch_size = batch_size
        loader = DataLoader(
            _PilImages(data),
            batch_size,
            shuffle=True,
            drop_last=True,
            num_workers=WORKERS,
            persistent_workers=True,
        )
        network = to_module(
            spec.layers(data.image_size), {**PRIMITIVE_MODULES, layers.Act: _as_the_source_writes}
        )
        initialise(network, 0)
        super().__init__(network.to(device), _endless(loader), device, fused=False)


class _Hsigmoid(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.relu6(x + 3.0, inplace=True) / 6.0


class _Hswish(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * F.relu6(x + 3.0, inplace=True) / 6.0


def _as_the_source_writes(act: layers.Act) -> nn.Module:
    match act.kind:
        case "hswish":
            return _Hswish()
        case "hsigmoid":
            return _Hsigmoid()
    return PRIMITIVE_MODULES[layers.Act](act)


class _PilImages(Dataset[tuple[Tensor, int]]):
    """What torchvision's CIFAR datasets do for each image: to PIL, then the transforms."""

    def __init__(self, data: Data) -> None:
        self._images = data.train.images.permute(0, 2, 3, 1).numpy()
        self._labels = data.train.labels.tolist()
        size = data.image_size[0]
        self._transform = transforms.Compose(
            [
                transforms.RandomCrop(size, padding=size // 8),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(data.mean, data.std),
            ]
        )

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self._transform(Image.fromarray(self._images[index])), self._labels[index]


def _endless(
    batches: TrainBatches | DataLoader[tuple[Tensor, int]],
) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        yield from batches


def _finish() -> None:
    """Wait until a GPU has done all that it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def timed(loops: Sequence[_Sgd], steps: int, turns: int) -> list[list[float]]:
    """Return each loop's images/s, turn by turn; the loops take turns, after two unmeasured."""
    speeds: list[list[float]] = [[] for _ in loops]
    for turn in range(-1, turns):
        for loop, measured in zip(loops, speeds, strict=True):
            loop.step()  # fills the prefetch queue of a loader that sat idle meanwhile
            _finish()
            started = time.perf_counter()
            for _ in range(steps):
                loop.step()
            _finish()
            if turn >= 0:
                measured.append(steps * loop.batch_size / (time.perf_counter() - started))
    return speeds
