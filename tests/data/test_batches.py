"""The batches: which images come, in which order, how often cut where."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from fuseablate.data.batches import TrainBatches, eval_batches
from fuseablate.data.parts import Data, Part
from fuseablate.errors import InputError
from fuseablate.streams import stream


def make(images: Tensor, labels: Tensor | None = None) -> Data:
    """Return data whose normalised values are the bytes over 255."""
    part = Part(images, torch.arange(len(images)) if labels is None else labels)
    zero, ones = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    return Data("x", "x", ("a", "b"), part, part, zero, ones, {}, lambda: part)


def random_data(count: int, size: int = 8) -> Data:
    generator = torch.Generator().manual_seed(0)
    shape = (count, 3, size, size)
    return make(torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator))


def batches(data: Data, batch_size: int, seed: int = 0) -> TrainBatches:
    order, augment = stream(seed, "order"), stream(seed, "augment")
    return TrainBatches(data.train, data, batch_size, "cpu", order=[order], augment=[augment])


def test_offsets_and_flips_are_uniform() -> None:
    """Each pixel holds its own place, so that a batch tells how it was cut."""
    places = torch.arange(1, 33, dtype=torch.uint8)
    image = torch.zeros(3, 32, 32, dtype=torch.uint8)
    image[0] = places[:, None]
    image[1] = places[None, :]
    data = make(image.expand(1620, 3, 32, 32), torch.zeros(1620, dtype=torch.int64))
    counts = torch.zeros(9, 9, 2, dtype=torch.int64)
    train = batches(data, batch_size=324)
    for _ in range(10):
        for cut, _ in train:
            byte = (cut * 255).round().to(torch.int64)
            # Row 16 of a cut is row 16 + dy - 4 of the image, which holds one more than that.
            dy = byte[:, 0, 16, 16] - 13
            left, right = byte[:, 1, 16, 15], byte[:, 1, 16, 16]
            flip = (left > right).long()
            dx = torch.maximum(left, right) - 13
            counts.index_put_((dx, dy, flip), torch.tensor(1), accumulate=True)
    assert counts.sum() == 16200  # 100 are expected of each of the 162 ways
    assert chisquare(counts.flatten().numpy()).pvalue > 0.001
    assert chisquare(counts.sum((1, 2)).numpy()).pvalue > 0.001
    assert chisquare(counts.sum((0, 2)).numpy()).pvalue > 0.001
    assert chisquare(counts.sum((0, 1)).numpy()).pvalue > 0.001


def test_an_epoch_shows_each_image_once_in_a_new_order() -> None:
    train = batches(random_data(40), batch_size=8)
    first, second = (torch.cat([labels for _, labels in train]) for _ in range(2))
    assert len(train) == 5
    assert first.sort().values.tolist() == list(range(40))
    assert second.sort().values.tolist() == list(range(40))
    assert not torch.equal(first, second)
    assert not torch.equal(first, torch.arange(40))


def test_images_stay_with_their_labels() -> None:
    images = torch.arange(20, dtype=torch.uint8)[:, None, None, None].expand(20, 3, 8, 8)
    for cut, labels in batches(make(images), batch_size=5):
        assert torch.equal((cut[:, 0, 4, 4] * 255).round().long(), labels)


def test_the_incomplete_last_batch_is_dropped() -> None:
    train = batches(random_data(10), batch_size=4)
    sizes = [len(labels) for _, labels in train]
    assert len(train) == 2
    assert sizes == [4, 4]


def test_the_same_seed_gives_the_same_batches() -> None:
    data = random_data(24)
    for ours, theirs in zip(batches(data, 8, seed=3), batches(data, 8, seed=3), strict=True):
        assert torch.equal(ours[0], theirs[0])
        assert torch.equal(ours[1], theirs[1])


def test_another_seed_gives_other_batches() -> None:
    data = random_data(24)
    (ours, *_), (theirs, *_) = batches(data, 8, seed=3), batches(data, 8, seed=4)
    assert not torch.equal(ours[1], theirs[1])
    assert not torch.equal(ours[0], theirs[0])


def test_order_and_augmentation_are_separate_streams() -> None:
    data = random_data(24)
    same_order, other_augment = stream(0, "order"), stream(9, "augment")
    changed = TrainBatches(data.train, data, 8, "cpu", order=[same_order], augment=[other_augment])
    for ours, theirs in zip(batches(data, 8), changed, strict=True):
        assert torch.equal(ours[1], theirs[1])
        assert not torch.equal(ours[0], theirs[0])


def test_the_generators_states_are_all_that_resuming_needs() -> None:
    data = random_data(24)
    order, augment = stream(0, "order"), stream(0, "augment")
    train = TrainBatches(data.train, data, 8, "cpu", order=[order], augment=[augment])
    list(train)
    states = order.get_state(), augment.get_state()
    expected = list(train)

    order, augment = torch.Generator(), torch.Generator()
    order.set_state(states[0])
    augment.set_state(states[1])
    resumed = TrainBatches(data.train, data, 8, "cpu", order=[order], augment=[augment])
    for ours, theirs in zip(resumed, expected, strict=True):
        assert torch.equal(ours[0], theirs[0])
        assert torch.equal(ours[1], theirs[1])


def test_an_epoch_draws_all_its_numbers_when_it_starts() -> None:
    data = random_data(24)
    order, augment = stream(0, "order"), stream(0, "augment")
    train = TrainBatches(data.train, data, 8, "cpu", order=[order], augment=[augment])
    epoch = iter(train)
    started = order.get_state(), augment.get_state()
    list(epoch)
    assert torch.equal(order.get_state(), started[0])
    assert torch.equal(augment.get_state(), started[1])


def test_batches_are_channels_last_floats() -> None:
    data = random_data(8)
    for images, labels in (
        next(iter(batches(data, 4))),
        next(eval_batches(data.val, data, 4, "cpu")),
    ):
        assert images.shape == (4, 3, 8, 8)
        assert images.dtype == torch.float32
        assert images.is_contiguous(memory_format=torch.channels_last)
        assert labels.dtype == torch.int64


@pytest.mark.parametrize("batch_size", [0, -1, 11])
def test_a_batch_size_out_of_range_is_an_error(batch_size: int) -> None:
    with pytest.raises(InputError, match=rf"^batch size {batch_size} must be from 1 to the 10 "):
        batches(random_data(10), batch_size)


def test_evaluation_sees_every_image_in_order_uncut() -> None:
    data = random_data(10)
    seen = list(eval_batches(data.val, data, 4, "cpu"))
    assert [len(labels) for _, labels in seen] == [4, 4, 2]
    assert torch.equal(torch.cat([labels for _, labels in seen]), torch.arange(10))
    images = torch.cat([images for images, _ in seen])
    assert torch.equal(images, data.val.images.to(torch.float32).div(255))


def test_batches_are_made_on_the_device_asked_for() -> None:
    """The meta device stands in for an accelerator: what stays behind on the CPU would fail."""
    data = random_data(8)
    order, augment = stream(0, "order"), stream(0, "augment")
    train = TrainBatches(data.train, data, 4, "meta", order=[order], augment=[augment])
    for images, labels in (*train, *eval_batches(data.val, data, 4, "meta")):
        assert images.device.type == labels.device.type == "meta"
        assert images.shape == (4, 3, 8, 8)
