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
from fuseablate.training.evaluate import evaluate, evaluate_test

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
