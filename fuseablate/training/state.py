"""All that changes while a run trains, and that its checkpoint therefore holds."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import torch
from torch import nn

from fuseablate.keys import Size
from fuseablate.modules import Dropout
from fuseablate.network import build
from fuseablate.recipe import Recipe
from fuseablate.record import Curves
from fuseablate.spec import Spec
from fuseablate.streams import stream
from fuseablate.training.optim import Average, make_optimizer


def now() -> str:
    """Return the time, UTC, in ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class State:
    """A run at the end of an epoch: weights, optimizer, average, random streams, curves.

    The schedule's position is the number of epochs in the curves.
    """

    def __init__(
        self, spec: Spec, recipe: Recipe, seed: int, size: Size, device: torch.device
    ) -> None:
        network = build(spec, seed=seed, size=size, fast=device.type == "cpu").to(device)
        self.network = network.to(memory_format=torch.channels_last)
        self.optimizer = make_optimizer(recipe, self.network)
        self.average = Average(self.network, recipe.ema) if recipe.ema else None
        names = ("order", "augment", "dropout", *(["mixup"] if recipe.mixup else []))
        self.streams = {name: stream(seed, name) for name in names}
        for module in self.network.modules():
            if isinstance(module, Dropout):
                module.generator = self.streams["dropout"]
        self.curves = Curves()
        self.notes: tuple[str, ...] = ()
        self.started = now()
        self.device = device

    @property
    def tested(self) -> nn.Module:
        """Return the network to be evaluated: the average where the recipe has one."""
        return self.average.network if self.average else self.network

    def to_dict(self) -> dict[str, Any]:
        """Return the state as tensors and plain values."""
        return {
            "network": self.network.state_dict(),
            "average": self.average and self.average.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "streams": {name: each.get_state() for name, each in self.streams.items()},
            "curves": asdict(self.curves),
            "notes": self.notes,
            "started": self.started,
            "device": self.device.type,
            "threads": torch.get_num_threads(),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Take over the state that `to_dict` returned, of the same run, and its threads.

        Other hardware sums in another order, as another number of threads does; a note says so.
        """
        self.network.load_state_dict(saved["network"])
        if self.average:
            self.average.network.load_state_dict(saved["average"])
        self.optimizer.load_state_dict(saved["optimizer"])
        for name, each in self.streams.items():
            each.set_state(saved["streams"][name])
        self.curves = Curves(**saved["curves"])
        self.notes, self.started = saved["notes"], saved["started"]
        torch.set_num_threads(saved["threads"])
        before, here = saved["device"], self.device.type
        if before != here:
            self.notes += (
                f"from epoch {len(self.curves) + 1} on {here}, before on {before}: not bit-equal "
                "to a run that was never interrupted",
            )
