"""The split, the statistics and the identity that every data set shares."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fuseablate.data.parts import (
    Part,
    check_memory,
    make_data,
    measured_statistics,
    stratified_split,
)
from fuseablate.data.sets import DataSet, Request, Triple
from fuseablate.errors import InputError

HALF: Triple = (0.5, 0.5, 0.5)


def part_of(count: int, size: int = 4, seed: int = 0) -> Part:
    generator = torch.Generator().manual_seed(seed)
    shape = (count, 3, size, size)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    return Part(images, torch.arange(count) % 2)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(2, 45), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_the_split_takes_a_tenth_of_each_class(sizes: list[int], random: object) -> None:
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    random.shuffle(labels)  # type: ignore[attr-defined]
    names = [str(label) for label in range(len(sizes))]
    train, val = stratified_split(torch.tensor(labels), names, 0)
    assert sorted(train.tolist() + val.tolist()) == list(range(len(labels)))
    assert train.tolist() == sorted(train.tolist())
    assert val.tolist() == sorted(val.tolist())
    for label, size in enumerate(sizes):
        assert sum(labels[i] == label for i in val.tolist()) == (1 if size < 20 else size // 10)


def test_the_split_is_fixed_by_its_seed_alone() -> None:
    labels = torch.arange(1000) % 10
    names = [str(label) for label in range(10)]
    torch.manual_seed(1)
    first = stratified_split(labels, names, 7)
    torch.manual_seed(2)
    again = stratified_split(labels, names, 7)
    other = stratified_split(labels, names, 8)
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[1], other[1])


def test_the_split_holds_out_images_from_all_over_the_class() -> None:
    _, val = stratified_split(torch.zeros(10_000, dtype=torch.int64), ["a"], 0)
    # 1,000 places drawn from 0..9,999: their mean has a standard error of about 87.
    assert abs(val.double().mean().item() - 4999.5) < 4 * 87


@pytest.mark.parametrize("count", [0, 1])
def test_a_class_too_small_to_split_is_an_error(count: int) -> None:
    labels = torch.tensor([0, 0, *[1] * count])
    with pytest.raises(InputError, match=f"^class 'cat' has {count} training images; at least 2"):
        stratified_split(labels, ["dog", "cat"], 0)


def test_mean_and_standard_deviation_are_numpys() -> None:
    part = part_of(3000)
    mean, std = measured_statistics(part)
    pixels = part.images.numpy().astype(np.float64) / 255
    np.testing.assert_allclose(mean, pixels.mean((0, 2, 3)), atol=5.1e-7, rtol=0)
    np.testing.assert_allclose(std, pixels.std((0, 2, 3)), atol=5.1e-7, rtol=0)


def test_mean_and_standard_deviation_by_hand() -> None:
    images = torch.zeros(1, 3, 1, 2, dtype=torch.uint8)
    images[0, :, 0, 1] = torch.tensor([255, 51, 1])
    mean, std = measured_statistics(Part(images, torch.tensor([0])))
    assert mean == (0.5, 0.1, 0.001961)  # 1/510 = 0.00196078
    assert std == (0.5, 0.1, 0.001961)


def test_a_channel_without_variation_is_an_error() -> None:
    part = part_of(4)
    part.images[:, 2] = 9
    with pytest.raises(InputError, match=r"^the blue channel is the same .* give mean and std$"):
        measured_statistics(part)


def make(mean: Triple | None = None, std: Triple | None = None) -> dict[str, object]:
    part = part_of(8)
    row = DataSet("x", "X", "x", {})
    data = make_data(
        Request(row, {}, None, 3, mean, std, memory_limit=0, download=False),
        ("a", "b"),
        train=part,
        val=part,
        read_test=lambda: part,
        source={"name": "x", "content": {"files": "abc"}},
    )
    return dict(data.identity)


def test_the_identity_survives_json() -> None:
    identity = make(HALF, (0.25, 0.25, 0.5))
    assert json.loads(json.dumps(identity)) == identity
    assert identity == {
        "name": "x",
        "content": {"files": "abc"},
        "split_seed": 3,
        "val": 8,
        "image_size": [4, 4],
        "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.5],
    }


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        (HALF, None, r"give both of them, or neither"),
        (None, HALF, r"give both of them, or neither"),
        ((125.3, 123.0, 113.9), HALF, r"^mean = \(125.3, .*from 0 to 1"),
        ((0.5, 0.5), HALF, r"^mean = \(0.5, 0.5\): three numbers"),
        (HALF, (0.2, 0.0, 0.2), r"^std = .*above 0"),
        (HALF, (0.2, float("nan"), 0.2), r"^std = .*above 0"),
    ],
)
def test_wrong_statistics_are_errors(mean: Triple | None, std: Triple | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(mean, std)


def test_a_set_that_fits_is_no_error() -> None:
    check_memory("set", 10, 4, 10 * 4 * 4 * 3)


def test_a_set_too_large_names_what_would_fit() -> None:
    # 1,000 x 64 x 64 x 3 bytes are 11.7 MiB. 3 MiB hold 256 such images, or 1,000 of 32 x 32:
    # 3,145,728 / 3,000 = 1,048.6, whose root is 32.4.
    with pytest.raises(InputError) as error:
        check_memory("set", 1000, 64, 3 * 2**20)
    assert str(error.value) == (
        "set: 1,000 images of 64 x 64 need 11.7 MiB, more than the 3.0 MiB allowed; "
        "256 images of that size would fit, or all of them at 32 x 32"
    )


def test_selected_images_keep_their_labels_and_are_channels_last() -> None:
    part = part_of(6)
    chosen = part.select(torch.tensor([5, 0]))
    assert len(chosen) == 2
    assert torch.equal(chosen.images, part.images[[5, 0]])
    assert chosen.labels.tolist() == [1, 0]
    assert chosen.images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (torch.zeros(2, 3, 4, 4), torch.zeros(2, dtype=torch.int64), "^images are torch.float32"),
        (torch.zeros(2, 4, 4, 3, dtype=torch.uint8), torch.zeros(2).long(), "^images are torch.u"),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(3).long(), "^labels are .*3"),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(2), "^labels are torch.float32"),
    ],
)
def test_tensors_of_another_kind_are_errors(
    images: torch.Tensor, labels: torch.Tensor, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Part(images, labels)
