"""MixUp: what is mixed, the loss of it, and that runs with and without it stay pairs."""

from __future__ import annotations

from pathlib import Path

import pytest
import scipy.stats
import torch
import torch.nn.functional as F

from fuseablate.data.batches import TrainBatches
from fuseablate.network.builder import build
from fuseablate.network.modules import Dropout
from fuseablate.runs.store import Store
from fuseablate.streams import stream
from fuseablate.training import SilentProgress, train
from fuseablate.training.mixup import Targets, draw_mixing, draw_pasting, mixed, pasted
from fuseablate.training.state import TrainingState
from tests.helpers.small_run import small_data, small_recipe, small_spec


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_that_of_soft_classes(smoothing: float) -> None:
    logits = torch.randn(5, 3)
    own, others = torch.tensor([0, 1, 2, 0, 1]), torch.tensor([1, 1, 0, 2, 0])
    soft = 0.7 * F.one_hot(own, 3) + 0.3 * F.one_hot(others, 3)
    soft = (1 - smoothing) * soft + smoothing / 3
    expected = -(soft * logits.log_softmax(1)).sum(1).mean()
    shares = torch.tensor([0.7, 0.3])
    assert torch.allclose(Targets(own, others, shares).loss(logits, smoothing), expected)
    plain = F.cross_entropy(logits, own, label_smoothing=smoothing)
    assert torch.equal(Targets(own).loss(logits, smoothing), plain)


def test_images_and_classes_are_mixed_alike() -> None:
    images = torch.arange(6.0).view(6, 1, 1, 1).expand(6, 3, 2, 2).contiguous()
    labels = 10 * torch.arange(6)
    (order,), (shares,) = draw_mixing(1.0, 1, len(images), stream(0, "mixup"))
    mixtures, targets = mixed(images, labels, order, shares)
    assert targets.others is not None
    assert sorted(targets.others.tolist()) == labels.tolist()
    partners = (targets.others // 10).view(6, 1, 1, 1)
    share = shares[0].item()
    expected = share * images + (1 - share) * partners
    assert torch.allclose(mixtures, expected)
    assert 0.5 <= share <= 1
    assert shares.sum().item() == pytest.approx(1)


def test_cutmix_pastes_a_box_and_the_classes_go_by_its_area() -> None:
    images = torch.arange(6.0).view(6, 1, 1, 1).expand(6, 3, 8, 10).contiguous()
    labels = 10 * torch.arange(6)
    shares = torch.tensor([0.85, 0.15])
    order, box = torch.arange(6).roll(1), torch.tensor([2, 6, 7, 10])
    changed, targets = pasted(images, labels, order, shares, box)
    expected = images.clone()
    expected[:, :, 2:6, 7:10] = images.roll(1, 0)[:, :, 2:6, 7:10]
    assert torch.equal(changed, expected)
    assert targets.others is not None
    assert targets.others.tolist() == labels.roll(1).tolist()
    assert targets.shares is shares


def test_the_boxes_that_cutmix_draws() -> None:
    orders, shares, boxes = draw_pasting(1.0, 800, 2, (100, 50), stream(1, "mixup"))
    top, bottom, left, right = boxes.T
    assert boxes.min() >= 0
    assert (bottom.max(), right.max()) == (100, 50)
    area = (bottom - top) * (right - left) / 5000
    assert torch.allclose(shares, torch.stack([1 - area, area], 1))
    # A box that no edge cuts has the shape of the image.
    whole = (top > 0) & (bottom < 100) & (left > 0) & (right < 50)
    assert whole.sum() > 100
    assert torch.allclose((bottom - top)[whole] / 2.0, (right - left)[whole] * 1.0, atol=2)
    assert sorted(orders[0].tolist()) == [0, 1]


@pytest.mark.parametrize("alpha", [0.1, 1.0, 4.0])
def test_the_greater_share_has_the_beta_distribution_folded(alpha: float) -> None:
    # By the lesser one, beside 0: beside 1 float32 has not the digits for an alpha of 0.1.
    others = draw_mixing(alpha, 500, 2, stream(1, "mixup"))[1][:, 1].tolist()
    beta = scipy.stats.beta(alpha, alpha)
    test = scipy.stats.kstest(others, lambda share: 2 * beta.cdf(share))
    assert test.pvalue > 0.01


def test_a_run_with_mixup_is_the_plain_loop_written_out(tmp_path: Path) -> None:
    data = small_data()
    changes = {"epochs": 1, "schedule": {"kind": "cosine"}, "mixup": 0.5}
    record = train(
        small_spec(), small_recipe(**changes), data, 3,
        store=Store(tmp_path), device="cpu", threads=1, progress=SilentProgress(),
    )  # fmt: skip
    network = build(small_spec(), seed=3, size=(16, 16)).train()
    for module in network.modules():
        if isinstance(module, Dropout):
            module.generator = stream(3, "dropout")
    # the very batches and masks of a run without MixUp
    batches = TrainBatches(
        data.train, data, 24, "cpu", order=[stream(3, "order")], augment=[stream(3, "augment")]
    )
    optimizer = torch.optim.SGD(network.parameters(), 0.1, 0.9, nesterov=True, weight_decay=5e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(batches))
    mixing, losses = draw_mixing(0.5, len(batches), 24, stream(3, "mixup")), []
    for (images, labels), order, shares in zip(batches, *mixing, strict=True):
        mixtures, targets = mixed(images, labels, order, shares)
        assert targets.others is not None
        soft = shares[0] * F.one_hot(labels, 4) + shares[1] * F.one_hot(targets.others, 4)
        loss = F.cross_entropy(network(mixtures), soft)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    mean = sum(losses) / len(losses)
    assert record.curves.train_loss[0] == pytest.approx(mean, rel=1e-3)


def test_only_a_run_with_mixup_has_its_stream() -> None:
    cpu = torch.device("cpu")
    without = TrainingState(small_spec(), small_recipe(), 5, (16, 16), cpu)
    having = TrainingState(small_spec(), small_recipe(mixup=0.1), 5, (16, 16), cpu)
    assert set(having.streams) - set(without.streams) == {"mixup"}
    for name, generator in without.streams.items():
        assert torch.equal(generator.get_state(), having.streams[name].get_state())
    torch.rand(3, generator=having.streams["mixup"])
    again = TrainingState(small_spec(), small_recipe(mixup=0.1), 5, (16, 16), cpu)
    again.restore(having.to_dict())
    assert torch.equal(again.streams["mixup"].get_state(), having.streams["mixup"].get_state())
