"""Layouts of memory measured against each other, each by the precisions that a recipe may have."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch
from torch.nn import functional as F

from fuseablate.data.parts import Data
from fuseablate.network.modules import Dropout
from fuseablate.recipes import Recipe
from fuseablate.spec import Spec
from fuseablate.training.benchmark import Loop
from fuseablate.training.captured import Captured
from fuseablate.training.environment import precision_set
from fuseablate.training.optim import make_optimizer
from fuseablate.training.state import TrainingState

LAYOUTS = {"channels-last": torch.channels_last, "contiguous": torch.contiguous_format}


class LayoutLoop(Loop):
    """Our network's passes and optimizer on one batch: a layout of memory, by a precision."""

    def __init__(
        self, spec: Spec, data: Data, recipe: Recipe, device: torch.device, layout: str
    ) -> None:
        """Take a layout by its name."""
        self.images, self._recipe, self._device = recipe.batch_size, recipe, device
        self.title = f"passes, {layout}, {recipe.precision}"
        network = TrainingState(spec, recipe, 0, data.image_size, device).network
        self._network = network.to(memory_format=LAYOUTS[layout]).train()
        for module in network.modules():
            if isinstance(module, Dropout):
                module.p = 0.0  # drawn on the CPU, in no captured step
        self._optimizer = make_optimizer(recipe, network)
        images = torch.randn(self.images, 3, *data.image_size)
        self._batch = images.to(device).contiguous(memory_format=LAYOUTS[layout])
        self._labels = torch.zeros(self.images, dtype=torch.int64, device=device)
        self.captured = Captured(device)

    def settings(self) -> AbstractContextManager[None]:
        """Set the precision."""
        return precision_set(self._recipe.precision)

    def run(self, steps: int) -> None:
        """Take so many steps on the batch."""
        for _ in range(steps):
            self.captured(self._step)

    def _step(self) -> None:
        bf16 = self._recipe.precision == "bf16"
        with torch.autocast(self._device.type, torch.bfloat16, bf16, cache_enabled=False):
            loss = F.cross_entropy(self._network(self._batch), self._labels)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
