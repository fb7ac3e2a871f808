"""The loops that one writes without this package, for `fuseablate bench` to compare with.

`PlainLoop` is what one writes first: PIL images through torchvision's transforms in a DataLoader
with two workers, NCHW memory, torch's own convolutions, the source's H-Swish and H-Sigmoid as the
source writes them. `TunedLoop` is what one makes of it in an afternoon: channels-last memory,
torch's own activations, a fused optimizer, a loader worker for each core, bf16 on GPUs with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from fuseablate import layers
from fuseablate.data.parts import Data
from fuseablate.io.cores import usable_cores
from fuseablate.network import PRIMITIVE_MODULES, build, initialise, to_module
from fuseablate.recipes import Recipe
from fuseablate.spec import Spec
from fuseablate.training.benchmark import Loop
from fuseablate.training.environment import has_reduced_precision

WORKERS = 2


class PlainLoop(Loop):
    """The loop that one writes first."""

    title = "plain loop"
    fused = False

    def __init__(self, spec: Spec, data: Data, recipe: Recipe, device: torch.device) -> None:
        self.images = recipe.batch_size
        self._device, self._bf16 = device, False
        self._batches = _endless(self.loader(data))
        next(self._batches)  # starts its workers, before there are threads that a fork would break
        self._network = self.make(spec, data).to(device).train()
        self._optimizer = torch.optim.SGD(
            self._network.parameters(),
            recipe.lr,
            momentum=recipe.momentum or 0.0,
            nesterov=True,
            weight_decay=recipe.weight_decay,
            fused=self.fused,
        )

    def make(self, spec: Spec, data: Data) -> nn.Module:
        """Return the network."""
        table = {**PRIMITIVE_MODULES, layers.Act: _as_the_source_writes}
        network = to_module(spec.layers(data.image_size), table)
        initialise(network, 0)
        return network

    def loader(self, data: Data) -> DataLoader[tuple[Tensor, int]]:
        """Return what loads the batches."""
        return self._loader(data, WORKERS)

    def _loader(self, data: Data, workers: int, **more: Any) -> DataLoader[tuple[Tensor, int]]:
        return DataLoader(
            _PilImages(data), self.images, shuffle=True, drop_last=True, num_workers=workers,
            persistent_workers=True, **more,
        )  # fmt: skip

    def run(self, steps: int) -> None:
        """Train on so many batches."""
        for _ in range(steps):
            images, labels = self.batch()
            with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
                loss = F.cross_entropy(self._network(images), labels)
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()

    def batch(self) -> tuple[Tensor, Tensor]:
        images, labels = next(self._batches)
        return images.to(self._device), labels.to(self._device)


class TunedLoop(PlainLoop):
    """The loop that one makes of it in an afternoon."""

    fused = True

    def __init__(self, spec: Spec, data: Data, recipe: Recipe, device: torch.device) -> None:
        self._pinned = device.type == "cuda"
        super().__init__(spec, data, recipe, device)
        self._bf16 = has_reduced_precision(device)
        self.title = f"tuned plain loop{', bf16' if self._bf16 else ''}"

    def make(self, spec: Spec, data: Data) -> nn.Module:
        network = build(spec, size=data.image_size)
        return network.to(memory_format=torch.channels_last)

    def loader(self, data: Data) -> DataLoader[tuple[Tensor, int]]:
        return self._loader(data, usable_cores(), pin_memory=self._pinned)

    def batch(self) -> tuple[Tensor, Tensor]:
        images, labels = next(self._batches)
        images = images.to(self._device, non_blocking=True)
        labels = labels.to(self._device, non_blocking=True)
        return images.contiguous(memory_format=torch.channels_last), labels


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


def _endless(loader: DataLoader[tuple[Tensor, int]]) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        yield from loader
