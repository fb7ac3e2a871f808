"""Weights from files: those of a run in the store, and those that `convert` wrote."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard, cast

from torch import Tensor, nn

from fuseablate.errors import InputError, check_name
from fuseablate.io.reading import MissingError
from fuseablate.io.tensors import SpoiltError, load_tensors
from fuseablate.network import build
from fuseablate.runs.lookup import run_named
from fuseablate.runs.record import Record
from fuseablate.runs.store import NEWEST, WEIGHTS, Store
from fuseablate.spec import Size, Spec

NEAR_ZERO = 0.01  # of a tensor's largest value: nearer to zero than that is "near zero"


@dataclass(frozen=True)
class Statistics:
    """What the values of a tensor are like."""

    name: str
    shape: tuple[int, ...]
    mean: float
    sd: float
    """The standard deviation of all of them."""
    least: float
    most: float
    near_zero: float
    """The share below a hundredth of the largest one."""


def load_weights(path: str | Path) -> dict[str, Tensor]:
    """Return the state dict in a file, on the CPU: a run's `weights.pt`, or one of `convert`.

    `build(spec).load_state_dict(load_weights(path))` puts it into the network. Nothing but
    tensors is read from the file. Raise `InputError` where it holds anything else.
    """
    check_name("weights", path)
    state = _loaded(path)
    if not _is_state(state):
        raise InputError(f"{path}: holds no state dict, which has a tensor for each name")
    return dict(state)


def weights_of(store: Store, what: str) -> tuple[Path, dict[str, Tensor]]:
    """Return a file and the weights in it: a .pt file's, or those of a run by its id.

    A run that has not ended has those of its newest checkpoint, their average where it keeps one.
    Raise `InputError` where there are none.
    """
    if what.endswith(".pt") or Path(what).is_file():
        return Path(what), load_weights(what)
    folder = run_named(store, what)
    with suppress(MissingError):
        return folder / WEIGHTS, load_weights(folder / WEIGHTS)
    path = folder / NEWEST
    try:
        content = _loaded(path)
    except MissingError:
        raise InputError(f"run {folder}: has neither {WEIGHTS} nor {NEWEST}") from None
    state = content.get("state") if isinstance(content, Mapping) else None
    weights = (state.get("average") or state.get("network")) if isinstance(state, Mapping) else None
    if not _is_state(weights):
        raise InputError(f"{path}: is not a run's checkpoint")
    return path, dict(weights)


def statistics(state: Mapping[str, Tensor], *, every: bool = False) -> list[Statistics]:
    """Return what the weights of each operator are like; `every`: of all tensors of numbers."""
    rows = []
    for name, tensor in state.items():
        if not tensor.is_floating_point() or not (every or name.endswith(".weight")):
            continue
        values = tensor.double()
        near = values.abs() < NEAR_ZERO * values.abs().max()
        rows.append(
            Statistics(
                name,
                tuple(tensor.shape),
                mean=values.mean().item(),
                sd=values.std(correction=0).item(),
                least=values.min().item(),
                most=values.max().item(),
                near_zero=near.double().mean().item(),
            )
        )
    return rows


def _loaded(path: str | Path) -> Any:
    try:
        return load_tensors(Path(path))
    except SpoiltError as error:
        raise InputError(
            f"{path}: is not a file of weights written by torch.save: {error}"
        ) from None


def _is_state(state: Any) -> TypeGuard[Mapping[str, Tensor]]:
    return isinstance(state, Mapping) and all(
        isinstance(name, str) and isinstance(tensor, Tensor) and tensor.numel() > 0
        for name, tensor in state.items()
    )


def trained_network(
    store: Store, record: Record, *, fast: bool = False
) -> tuple[Spec, Size, nn.Module]:
    """Return a run's spec, the size of its images and its network with the weights as tested.

    `fast` is that of `build`. Raise `InputError` where the run has none, or its file is another
    network's.
    """
    path = store.folder(record.digest) / WEIGHTS
    if record.status != "finished":
        raise InputError(f"run {path.parent}: failed, and has no weights")
    state = load_weights(path)
    try:
        spec = Spec.from_dict(record.spec)
    except InputError as error:
        if not record.plugins:
            raise
        needed = " and ".join(record.plugins)
        raise InputError(
            f"run {path.parent}: needs {needed} (--plugin loads it): {error}"
        ) from None
    size = cast("Size", tuple(record.data["image_size"]))
    network = build(spec, size=size, fast=fast)
    try:
        network.load_state_dict(state)
    except RuntimeError:
        raise InputError(f"{path}: holds the weights of another network") from None
    return spec, size, network
