"""Data sets by name, and the generated one as a data set."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from fuseablate.data import Data, generated_data, load_data
from fuseablate.data.generated import generate
from fuseablate.errors import InputError


def small(seed: int = 0, split_seed: int = 0) -> Data:
    return generated_data(4, 16, train_images=20, test_images=3, seed=seed, split_seed=split_seed)


def test_the_generated_set_is_the_generators() -> None:
    data = small()
    assert (data.name, data.title) == ("generated", "generated shapes (not a benchmark)")
    assert (data.classes, data.image_size) == (4, (16, 16))
    assert (len(data.train), len(data.val)) == (72, 8)
    assert torch.bincount(data.val.labels).tolist() == [2] * 4
    images, labels = generate(4, 16, 3, "test", 0)
    test = data.test()
    assert np.array_equal(test.images.permute(0, 2, 3, 1).numpy(), images)
    assert np.array_equal(test.labels.numpy(), labels)
    pixels = data.train.images.numpy() / 255
    np.testing.assert_allclose(data.mean, pixels.mean((0, 2, 3)), atol=1e-6)
    np.testing.assert_allclose(data.std, pixels.std((0, 2, 3)), atol=1e-6)


def test_the_generated_set_is_identified_by_what_made_it() -> None:
    identity = small().identity
    assert json.loads(json.dumps(identity)) == identity
    assert small().identity == identity
    assert small(seed=1).identity["content"] != identity["content"]
    assert small(split_seed=1).identity["split_seed"] == 1
    fewer = generated_data(4, 16, train_images=20, test_images=2)
    assert fewer.identity["content"] != identity["content"]


def test_the_generated_set_has_100_classes_by_name() -> None:
    data = load_data("generated", size=8)
    assert data.classes == len(set(data.class_names)) == 100
    assert (len(data.train), len(data.val)) == (9000, 1000)
    assert data.image_size == (8, 8)


def test_generated_data_too_large_for_the_memory_are_an_error() -> None:
    with pytest.raises(InputError, match=r"^generated data: 12,000 images of 64 x 64 need"):
        load_data("generated", size=64, memory_limit=2**20)


def test_generated_test_images_are_counted_before_a_run_and_not_after() -> None:
    with pytest.raises(InputError, match=r"^generated data: test_images = 0 must be at least 1$"):
        generated_data(4, 16, test_images=0)


def test_an_unknown_name_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(InputError) as error:
        load_data("cifar-100")
    assert str(error.value) == (
        "unknown data set 'cifar-100'; did you mean 'cifar100'? "
        "(choices: cifar100, cifar10, generated, folder)"
    )
