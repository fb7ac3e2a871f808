"""Zero-cost scores: what an untrained network's first weights are said to tell of its accuracy.

They need torch and some a batch, so they are no costs. They are told beside params and MACs, whose
ranks they often do no better than (White et al., "A deeper look at zero-cost proxies", 2022), and
nothing is ever chosen by them.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fuseablate.layers import ACTIVATIONS

Batch = tuple[Tensor, Tensor]
"""Images (N, 3, H, W), normalised, and labels (N,)."""


def synflow(network: nn.Module, batches: Sequence[Batch]) -> float:
    """Return the log of the flow of ones through absolute weights (Tanaka et al., NeurIPS 2020).

    The sum over the weights of convolutions and linear layers of each times its gradient, norms
    taken out, as Abdelfattah et al. (ICLR 2021) score networks by it. In float64. No data is read
    but the shape of an image.
    """
    linear = _without_norms(copy.deepcopy(network).double()).eval()
    for parameter in linear.parameters():
        parameter.data.abs_()
    (images, _), *_ = batches
    ones = torch.ones(1, *images.shape[1:], dtype=torch.float64, device=images.device)
    linear(ones).sum().backward()
    flow = sum(float((weight * gradient).sum()) for weight, gradient in _gradients(linear))
    return math.log(flow) if flow > 0 else -math.inf


def naswot(network: nn.Module, batches: Sequence[Batch]) -> float:
    """Return how well the activations tell images apart (Mellor et al., ICML 2021).

    The log of the determinant of a kernel over the first batch: of two images, the number of
    inputs to all non-linearities whose signs they share. Norms work on the batch, as in training.
    """
    (images, _), *_ = batches
    kernel = torch.zeros(len(images), len(images), dtype=torch.float64, device=images.device)

    def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        signs = (inputs[0].detach().flatten(1) > 0).double()
        kernel.add_(signs @ signs.T + (1 - signs) @ (1 - signs).T)

    probed = _probe(network)
    for module in probed.modules():
        if type(module) in _NON_LINEARITIES:
            module.register_forward_pre_hook(hook)
    with torch.no_grad():
        probed(images)
    return float(torch.linalg.slogdet(kernel)[1])


def zico(network: nn.Module, batches: Sequence[Batch]) -> float:
    """Return how steady the gradients are over batches (Li et al., ZiCo, ICLR 2023).

    The sum over convolutions and linear layers of the log of the sum over weights of the mean of
    the gradient's size over its standard deviation. Raise `ValueError` for less than two batches.
    """
    if len(batches) < 2:
        raise ValueError("zico needs two batches or more")
    probed = _probe(network)
    sizes: list[list[Tensor]] = []
    for images, labels in batches:
        probed.zero_grad()
        F.cross_entropy(probed(images), labels).backward()  # type: ignore[no-untyped-call]
        sizes.append([gradient.abs().double() for _, gradient in _gradients(probed)])
    total = 0.0
    for of_layer in zip(*sizes, strict=True):
        stacked = torch.stack(of_layer)
        mean, sd = stacked.mean(0), stacked.std(0, unbiased=False)
        ratio = float((mean[sd > 0] / sd[sd > 0]).sum())
        total += math.log(ratio) if ratio > 0 else 0.0
    return total


SCORES: Mapping[str, Callable[[nn.Module, Sequence[Batch]], float]] = {
    "synflow": synflow,
    "naswot": naswot,
    "zico": zico,
}
_NON_LINEARITIES = {
    getattr(nn, kind.module.rpartition(".")[2])
    for kind in ACTIVATIONS.values()
    if not kind.gate and kind.module.startswith("torch.nn.")
}


def _probe(network: nn.Module) -> nn.Module:
    """Return a copy whose norms work on the batch, as in training, and which drops nothing."""
    probed = copy.deepcopy(network).eval()
    for module in probed.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
    return probed


def _gradients(network: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """Return the weights of convolutions and linear layers with their gradients."""
    weights = [
        module.weight
        for module in network.modules()
        if isinstance(module, nn.Conv2d | nn.Linear) and module.weight.grad is not None
    ]
    return [(weight.detach(), weight.grad) for weight in weights if weight.grad is not None]


def _without_norms(network: nn.Module) -> nn.Module:
    for name, child in network.named_children():
        if isinstance(child, nn.BatchNorm2d | nn.GroupNorm | nn.LayerNorm):
            setattr(network, name, nn.Identity())
        else:
            _without_norms(child)
    return network
