"""Learning from the outputs of a trained network, the teacher, beside the labels.

Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fuseablate.recipes import Teacher
from fuseablate.runs import Record, Store
from fuseablate.runs.weights import trained_network


def frozen_network(store: Store, record: Record, device: torch.device) -> nn.Module:
    """Return the network of a run in eval mode on a device, its weights as tested, none to learn.

    Raise `InputError` where the run has no weights, or its file is another network's.
    """
    network = trained_network(store, record, fast=device.type == "cpu")[2]
    network = network.to(device).to(memory_format=torch.channels_last)
    return network.eval().requires_grad_(False)


def soft_loss(logits: Tensor, taught: Tensor, temperature: float) -> Tensor:
    """Return T^2 times the mean divergence of the outputs (N, classes) from the teacher's.

    Both are softened: divided by the temperature T before the softmax. The square keeps the
    gradient's size as T changes.
    """
    mine = F.log_softmax(logits / temperature, 1)
    theirs = F.log_softmax(taught / temperature, 1)
    divergence = F.kl_div(mine, theirs, reduction="batchmean", log_target=True)
    return divergence * temperature**2


def distilled(hard: Tensor, logits: Tensor, taught: Tensor, teacher: Teacher) -> Tensor:
    """Return the loss of which the soft part has the teacher's weight, the labels' the rest."""
    soft = soft_loss(logits.float(), taught.float(), teacher.temperature)
    return (1 - teacher.weight) * hard + teacher.weight * soft
