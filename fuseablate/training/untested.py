"""The test score of a run that ended untested, from the weights that it left."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import nn

from fuseablate.data.parts import Data
from fuseablate.errors import InputError
from fuseablate.network import build
from fuseablate.runs import RECORD, WEIGHTS, Record, RunFolder
from fuseablate.runs.weights import load_weights
from fuseablate.spec import Spec
from fuseablate.training.environment import describe
from fuseablate.training.evaluate import evaluate, evaluate_test

# Of the validation loss: devices differ by less, the weights of other runs by more.
NEAR_LOSS = 0.01


def add_test_score(
    record: Record, spec: Spec, data: Data, folder: RunFolder, device: torch.device
) -> Record:
    """Read the test set with an untested run's `weights.pt`, and file the record anew, whole.

    A failed run has nothing to be tested. Raise `InputError` where the weights are gone, are no
    file of weights, or are another run's: those that do not give the validation loss on record.
    """
    if record.val is None:
        tested = replace(record, untested=False)
    else:
        network = _network(record.val.loss, spec, data, folder, device)
        where = describe(device)
        note = f"tested from {WEIGHTS} on {where['device']} by {where['threads']} threads"
        tested = replace(
            record,
            untested=False,
            test=evaluate_test(network, data.test(), data, device),
            notes=(*record.notes, note),
        )
    folder.write(RECORD, tested.to_json())
    return tested


def _network(
    val_loss: float, spec: Spec, data: Data, folder: RunFolder, device: torch.device
) -> nn.Module:
    """Return the network with the run's weights, which give the validation loss on record."""
    path = folder.path / WEIGHTS
    otherwise = f"to have the run trained anew, remove {folder.path / RECORD}"
    if not path.exists():
        raise InputError(f"run {folder.path}: is to be tested, and has no {WEIGHTS}; put it "
                         f"back or, {otherwise}")  # fmt: skip
    network = build(spec, size=data.image_size, fast=device.type == "cpu")
    try:
        network.load_state_dict(load_weights(path))
    except InputError as error:
        raise InputError(f"{error}; put the run's back or, {otherwise}") from None
    except RuntimeError:
        raise InputError(
            f"{path}: does not hold the weights of this run, which is to be tested; put them "
            f"back or, {otherwise}"
        ) from None
    network = network.to(device).to(memory_format=torch.channels_last)
    loss = evaluate(network, data.val, data, device).loss
    if not math.isclose(loss, val_loss, rel_tol=NEAR_LOSS):
        raise InputError(
            f"{path}: has a validation loss of {loss:.4g}, and the record one of {val_loss:.4g}: "
            f"they are another run's weights; put the run's back or, {otherwise}"
        )
    return network
