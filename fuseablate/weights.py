"""Weights from files: those of a run in the store, and those that `convert` wrote."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from fuseablate.errors import InputError
from fuseablate.keys import Size
from fuseablate.network import build
from fuseablate.record import Record
from fuseablate.runs import WEIGHTS, Store
from fuseablate.spec import Spec


def load_weights(path: str | Path) -> dict[str, Tensor]:
    """Return the state dict in a file, on the CPU: a run's `weights.pt`, or one of `convert`.

    `build(spec).load_state_dict(load_weights(path))` puts it into the network. Nothing but
    tensors is read from the file. Raise `InputError` where it holds anything else.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (RuntimeError, pickle.UnpicklingError, zipfile.BadZipFile, EOFError):
        raise InputError(f"{path}: is no file of weights as torch.save writes them") from None
    if not isinstance(state, Mapping) or not all(
        isinstance(each, Tensor) for each in state.values()
    ):
        raise InputError(f"{path}: holds no state dict, which has a tensor for each name")
    return dict(state)


def trained_network(store: Store, record: Record) -> tuple[Spec, Size, nn.Module]:
    """Return a run's spec, the size of its images and its network with the weights as tested.

    Raise `InputError` where the run has none, or its file is another network's.
    """
    path = store.folder(record.digest) / WEIGHTS
    if record.status != "finished":
        raise InputError(f"run {path.parent}: failed, and has no weights")
    state = load_weights(path)
    spec = Spec.from_dict(record.spec)
    size = cast("Size", tuple(record.data["image_size"]))
    network = build(spec, size=size)
    try:
        network.load_state_dict(state)
    except RuntimeError:
        raise InputError(f"{path}: holds the weights of another network") from None
    return spec, size, network
