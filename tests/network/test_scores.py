"""Zero-cost scores on tiny networks, against arithmetic by hand and in numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from fuseablate.layers import (
    Act,
    AuxHead,
    Conv,
    Flatten,
    GlobalPool,
    Layer,
    Linear,
    Norm,
    named,
    seq,
)
from fuseablate.network import build, to_module
from fuseablate.network.scores import SCORES, naswot, synflow, zico
from fuseablate.spec import load_spec

FIRST = torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]])
SECOND = torch.tensor([[2.0, -1.0], [0.5, 4.0]])


def made(tree: Layer, *weights: torch.Tensor) -> nn.Module:
    network = to_module(tree)
    learned = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    for module, weight in zip(learned, weights, strict=True):
        module.weight.data = weight.reshape(module.weight.shape).clone()
    return network


def images(*pixels: list[float]) -> torch.Tensor:
    return torch.tensor(pixels, dtype=torch.float32).reshape(len(pixels), -1, 1, 1)


def test_synflow_is_the_flow_of_ones_through_absolute_weights() -> None:
    tree = seq(
        conv=Conv(3, 2), norm=Norm(2), act=Act("relu"), pool=GlobalPool(), flat=Flatten(),
        fc=Linear(2, 2),
    )  # fmt: skip
    batch = torch.randn(2, 3, 2, 2), torch.tensor([0, 1])
    # The flow is |W2| |W1| 1, and each layer's weights times their gradients sum up to it.
    flow = float((SECOND.abs() @ (FIRST.abs() @ torch.ones(3))).sum())
    assert flow == 2 * 3.5 + 4 + 0.5 * 3.5 + 16
    network = made(tree, FIRST, SECOND)
    assert synflow(network, [batch]) == pytest.approx(math.log(2 * flow))
    assert torch.equal(next(network.parameters()).reshape(2, 3), FIRST)
    nothing = made(tree, torch.zeros(2, 3), SECOND)
    assert synflow(nothing, [batch]) == -math.inf


def test_naswot_counts_the_signs_that_images_share() -> None:
    # Three inputs to one non-linearity; the gate's is none.
    network = made(seq(act=Act("relu"), gate=Act("sigmoid")))
    pair = images([1, -1, 2], [3, 1, -4]), torch.tensor([0, 1])
    assert naswot(network, [pair]) == pytest.approx(math.log(3 * 3 - 1 * 1))
    same = images([1, -1, 2], [3, -1, 4]), torch.tensor([0, 1])
    assert naswot(network, [same]) == -math.inf
    # The signs go on as they are.
    doubled = made(seq(act=Act("hswish"), again=Act("gelu")))
    assert naswot(doubled, [pair]) == pytest.approx(math.log(36 - 4))


def test_zico_is_the_mean_of_gradients_over_their_spread() -> None:
    network = made(seq(flat=Flatten(), fc=Linear(3, 2)), FIRST)
    drawn = np.random.default_rng(0).normal(size=(2, 4, 3))
    labels = np.array([[0, 1, 1, 0], [1, 1, 0, 0]])
    sizes = []
    for x, y in zip(drawn, labels, strict=True):
        logits = x @ FIRST.double().numpy().T
        shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        sizes.append(np.abs((shares - np.eye(2)[y]).T @ x / len(x)))
    expected = np.log((np.mean(sizes, 0) / np.std(sizes, 0)).sum())
    batches = [
        (torch.tensor(x, dtype=torch.float32).reshape(4, 3, 1, 1), torch.tensor(y))
        for x, y in zip(drawn, labels, strict=True)
    ]
    assert zico(network, batches) == pytest.approx(expected, rel=1e-3)
    with pytest.raises(ValueError, match=r"^zico needs two batches or more$"):
        zico(network, batches[:1])


def test_every_score_is_told_of_a_network_with_a_head_and_changes_nothing() -> None:
    batches = [(torch.randn(4, 3, 32, 32), torch.arange(4)) for _ in range(2)]
    tree = load_spec("fusenet").layers((32, 32))
    head = AuxHead(named(pool=GlobalPool(), flat=Flatten(), fc=Linear(3, 100)), weight=0.3)
    network = to_module(seq(head=head, rest=tree))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    for score in SCORES.values():
        first = score(network, batches)
        assert math.isfinite(first)
        assert score(network, batches) == first
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert synflow(build(load_spec("fusenet"), size=(32, 32)), batches) < 100
