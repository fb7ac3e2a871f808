"""All that changes while a run trains, and that its checkpoint therefore holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import torch
from torch import Tensor, nn

from fuseablate.errors import InputError
from fuseablate.io.tensors import SpoiltError
from fuseablate.network import build
from fuseablate.network.modules import Dropout
from fuseablate.recipes import Recipe
from fuseablate.runs import Curves
from fuseablate.runs.unfinished import SavedValues
from fuseablate.spec import Size, Spec
from fuseablate.streams import stream
from fuseablate.training.environment import device_name
from fuseablate.training.optim import EMA, make_optimizer


def now() -> str:
    """Return the time, UTC, in ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class TrainingState:
    """A run at the end of an epoch: weights, optimizer, average, random streams, curves.

    The schedule's position is the number of epochs in the curves.
    """

    def __init__(
        self,
        spec: Spec,
        recipe: Recipe,
        seed: int,
        size: Size,
        device: torch.device,
        *,
        teacher: nn.Module | None = None,
    ) -> None:
        """Draw a run's first weights; a frozen `teacher` is on the device."""
        network = build(spec, seed=seed, size=size, fast=device.type == "cpu").to(device)
        self.network = network.to(memory_format=torch.channels_last)
        self.recipe, self.teacher = recipe, teacher
        self.optimizer = make_optimizer(recipe, self.network)
        self.average = EMA(self.network, recipe.ema) if recipe.ema else None
        names = (
            "order",
            "augment",
            "dropout",
            *(["mixup"] if recipe.mixup or recipe.cutmix else []),
        )
        self.streams = {name: stream(seed, name) for name in names}
        for module in self.network.modules():
            if isinstance(module, Dropout):
                module.generator = self.streams["dropout"]
        self.curves = Curves()
        self.notes: tuple[str, ...] = ()
        self.started = now()
        self.device = device
        self.place = place_of(device)
        self.steps = ""
        """How those of the last epoch were taken: alone or stacked, eager or captured."""

    @property
    def eval_model(self) -> nn.Module:
        """Return the network to be evaluated: the average where the recipe has one."""
        return self.average.network if self.average else self.network

    def to_dict(self) -> dict[str, Any]:
        """Return the state as tensors and plain values."""
        return {
            "network": _own(self.network.state_dict()),
            "average": self.average and _own(self.average.network.state_dict()),
            "optimizer": self.optimizer.state_dict(),
            "streams": {name: generator.get_state() for name, generator in self.streams.items()},
            "curves": asdict(self.curves),
            "notes": self.notes,
            "started": self.started,
            "device": self.device.type,
            "place": self.place,
            "steps": self.steps,
            "threads": torch.get_num_threads(),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Take over the state that `to_dict` returned, of the same run, and its threads.

        Other hardware, or another version of torch, sums in another order, as another number of
        threads does; a note says so.
        Raise `SpoiltError`, with nothing changed, where it is not the state of such a run.
        """
        kept = self._checked(saved)
        self.network.load_state_dict(saved["network"])
        if self.average:
            self.average.network.load_state_dict(saved["average"])
        # With the settings of this device, not of the one before: they say where the state lies.
        groups = zip(saved["optimizer"]["param_groups"], self.optimizer.param_groups, strict=True)
        settings = [
            {**theirs, **{key: own[key] for key in MACHINE_SETTINGS & own.keys()}}
            for theirs, own in groups
        ]
        self.optimizer.load_state_dict({**saved["optimizer"], "param_groups": settings})
        for name, generator in self.streams.items():
            generator.set_state(saved["streams"][name])
        self.curves, self.notes, self.started = kept.curves, kept.notes, kept.started
        self.steps = kept.steps
        torch.set_num_threads(kept.threads)
        before, here = kept.device, self.device.type
        if before == here and kept.place:
            before, here = kept.place, self.place
        if before != here:
            self.notes += (
                f"from epoch {len(self.curves) + 1} on {here}, before on {before}: not bit-equal "
                "to a run that was never interrupted",
            )

    def _checked(self, saved: dict[str, Any]) -> SavedValues:
        """Return the plain values of a saved state, whose tensors have the shapes of this one's."""
        try:
            kept = SavedValues.of(saved)
            mine = self.to_dict()
            for key in ("network", "average", "streams"):
                if _shapes(saved.get(key)) != _shapes(mine[key]):
                    raise SpoiltError(f"its {key} is that of another run")
            _check_optimizer(saved["optimizer"], self.optimizer)
        except SpoiltError:
            raise
        except (InputError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise SpoiltError(f"its state is not that of a run ({error})") from None
        return kept


# Settings that differ between machines, or change.
MACHINE_SETTINGS = {"lr", "fused", "foreach", "capturable"}


def place_of(device: torch.device, *, stacked: bool = False) -> str:
    """Return what the last bits of a run depend on, besides its threads.

    `stacked` says whether it is trained beside others, as one network.
    """
    place = f"{device_name(device)} with torch {torch.__version__}"
    return f"{place}, stacked" if stacked else place


def _own(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors that have their memory for themselves: a part is saved with all of a whole."""
    return {
        name: tensor if tensor.nbytes == tensor.untyped_storage().nbytes() else tensor.clone()
        for name, tensor in tensors.items()
    }


def _shapes(value: object) -> object:
    """Return a table of tensors with their shapes and types in their place."""
    if isinstance(value, Mapping):
        return {name: _shapes(inner) for name, inner in value.items()}
    return (value.shape, value.dtype) if isinstance(value, Tensor) else value


def _check_optimizer(saved: Mapping[str, Any], mine: torch.optim.Optimizer) -> None:
    """Raise `SpoiltError` where a saved state is not that of an optimizer such as `mine`."""
    own = mine.state_dict()["param_groups"]
    if len(saved["param_groups"]) != len(own):
        raise SpoiltError("its optimizer is that of another run")
    for theirs, ours in zip(saved["param_groups"], own, strict=True):
        # The rate follows the schedule; a key that another version of torch lacks is no fault.
        if any(theirs[key] != ours[key] for key in ours.keys() & theirs.keys() - MACHINE_SETTINGS):
            raise SpoiltError("its optimizer is that of another run")
    parameters = [parameter for group in mine.param_groups for parameter in group["params"]]
    kinds = set()
    for index, state in saved["state"].items():
        kinds.add(frozenset((name, type(value)) for name, value in state.items()))
        shapes = {value.shape for value in state.values() if isinstance(value, Tensor)}
        if not shapes <= {torch.Size(), parameters[index].shape}:
            raise SpoiltError("its optimizer is that of another network")
    if len(kinds) > 1:
        raise SpoiltError("its optimizer has parts of several kinds")
