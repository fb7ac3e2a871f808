"""Scores, compared with scipy and with counting by hand."""

from __future__ import annotations

import base64

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from torch import Tensor, nn

from fuseablate.data import load_data
from fuseablate.data.parts import Data, Part
from fuseablate.network.builder import build
from fuseablate.network.stacking import stacked
from fuseablate.training.evaluate import Evaluation, evaluate, evaluate_test
from tests.helpers.small_run import small_spec

CPU = torch.device("cpu")
COUNT, CLASSES = 1203, 8  # three batches, the last one short


class Table(nn.Module):
    """Returns the logits it was given, a batch after the other."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits
        self.given = 0

    def forward(self, images: Tensor) -> Tensor:
        assert not self.training
        self.given += len(images)
        return self.logits[self.given - len(images) : self.given]


@pytest.fixture(scope="module")
def data() -> Data:
    return load_data("generated", size=16, classes=CLASSES, train_images=4, test_images=1)


@pytest.fixture(scope="module")
def part() -> Part:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, CLASSES - 1, (COUNT,), generator=generator)  # none of the last
    return Part(torch.zeros(COUNT, 3, 16, 16, dtype=torch.uint8), labels)


@pytest.fixture(scope="module")
def logits() -> Tensor:
    return 3 * torch.randn(COUNT, CLASSES, generator=torch.Generator().manual_seed(1))


def test_a_score_is_what_scipy_and_sorting_give(data: Data, part: Part, logits: Tensor) -> None:
    score = evaluate(Table(logits), part, data, CPU)
    rows, labels = np.arange(COUNT), part.labels.numpy()
    chances = log_softmax(logits.double().numpy(), axis=1)
    order = np.argsort(-logits.numpy(), axis=1)
    assert score.images == COUNT
    assert score.loss == pytest.approx(-chances[rows, labels].mean(), rel=1e-6)
    assert score.top1 == (order[:, 0] == labels).mean()
    assert score.top5 == (order[:, :5] == labels[:, None]).any(axis=1).mean()


def test_the_test_score_knows_each_class_and_each_image(
    data: Data, part: Part, logits: Tensor
) -> None:
    score = evaluate_test(Table(logits), part, data, CPU)
    labels = part.labels.numpy()
    right = logits.numpy().argmax(axis=1) == labels
    assert score.per_class[:-1] == tuple(right[labels == label].mean() for label in range(7))
    assert score.per_class[-1] is None
    assert base64.b64decode(score.right) == np.packbits(right).tobytes()


def test_fewer_than_five_classes_have_a_top_5_of_one() -> None:
    few = load_data("generated", size=16, classes=3, train_images=10, test_images=1)
    assert evaluate(Table(torch.zeros(500, 3)), few.val, few, CPU).top5 == 1


@pytest.mark.parametrize("runs", [1, 3])
@pytest.mark.parametrize("count", [COUNT, 1000, 7])
def test_what_could_be_captured_scores_to_the_last_bit(data: Data, runs: int, count: int) -> None:
    """Also when the weights have changed in their place, and with a short batch or none."""
    numbers = torch.Generator().manual_seed(2)
    images = torch.randint(256, (count, 3, 16, 16), generator=numbers, dtype=torch.uint8)
    part = Part(images, torch.randint(CLASSES, (count,), generator=numbers))
    spec = small_spec().edit(f"classes={CLASSES}")
    networks = [build(spec, seed=seed, size=(16, 16)) for seed in range(runs)]
    network = stacked(spec.layers((16, 16)), networks) if runs > 1 else networks[0]
    static, eager = (
        Evaluation(network, part, data, CPU, runs=runs, static=static) for static in (True, False)
    )
    before = static.scores()
    for again in (False, True):
        if again:
            with torch.no_grad():
                for parameter in network.parameters():
                    parameter.mul_(1.1)
            assert static.scores() != before
        assert static.scores() == eager.scores()
        assert torch.equal(static.table(), eager.table())
        for run, mine in enumerate(networks):
            alone = evaluate(mine, part, data, CPU)
            assert static.scores()[run].loss == pytest.approx(alone.loss, rel=1e-5)
            assert static.scores()[run].top1 == pytest.approx(alone.top1, abs=2 / count)
