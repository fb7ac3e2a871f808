"""Data sets by name, and the generated one as a data set."""

from __future__ import annotations

import json
import pkgutil
from typing import Any

import numpy as np
import pytest
import torch

from fuseablate.data import DATA_SETS, load_data
from fuseablate.data.generated import generate
from fuseablate.data.parts import Data
from fuseablate.errors import InputError


def small(seed: int = 0, split_seed: int = 0) -> Data:
    counts: dict[str, Any] = {
        "classes": 4,
        "size": 16,
        "train_images": 20,
        "test_images": 3,
        "seed": seed,
    }
    return load_data("generated", split_seed=split_seed, **counts)


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
    fewer = load_data("generated", size=16, classes=4, train_images=20, test_images=2)
    assert fewer.identity["content"] != identity["content"]


def test_the_generated_set_has_100_classes_by_name() -> None:
    data = load_data("generated", size=8)
    assert data.classes == len(set(data.class_names)) == 100
    assert (len(data.train), len(data.val)) == (9000, 1000)
    assert data.image_size == (8, 8)


def test_generated_data_too_large_for_the_memory_are_an_error() -> None:
    with pytest.raises(InputError, match=r"^generated data: 12,000 images of 64 x 64 need"):
        load_data("generated", size=64, memory_limit=2**20)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("generated", {"classes": 1}, "classes = 1: must be from 2 to 100 (nearest: 2)"),
        ("generated", {"classes": 101}, "classes = 101: must be from 2 to 100 (nearest: 100)"),
        ("generated", {"size": 7}, "size = 7: must be from 8 to 512 (nearest: 8)"),
        ("generated", {"size": 513}, "size = 513: must be from 8 to 512 (nearest: 512)"),
        ("generated", {"train_images": 1}, "train_images = 1: must be at least 2 (nearest: 2)"),
        ("generated", {"test_images": 0}, "test_images = 0: must be at least 1 (nearest: 1)"),
        ("generated", {"seed": -1}, "seed = -1: must be at least 0 (nearest: 0)"),
        ("generated", {"size": True}, "size = True: must be a whole number"),
        ("cifar10", {"size": 31}, "size = 31: must be 32 (nearest: 32)"),
    ],
)
def test_an_argument_out_of_bounds_is_one_line(
    name: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as error:
        load_data(name, **arguments)
    assert str(error.value) == f"{name} data: {message}"


def test_an_argument_that_a_data_set_does_not_take() -> None:
    with pytest.raises(InputError) as error:
        load_data("generated", clases=4)
    assert str(error.value) == (
        "unknown argument of generated data 'clases'; did you mean 'classes'? "
        "(choices: size, seed, classes, train_images, test_images)"
    )


def test_every_row_has_a_module_that_loads_it() -> None:
    for row in DATA_SETS.values():
        assert callable(pkgutil.resolve_name(row.load))
        assert "size" in row.arguments


def test_an_unknown_name_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(InputError) as error:
        load_data("cifar-100")
    assert str(error.value) == (
        "unknown data set 'cifar-100'; did you mean 'cifar100'? "
        "(choices: cifar100, cifar10, generated, folder)"
    )
