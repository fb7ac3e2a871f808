"""Augmentations are torchvision's, drawn image by image from the run's own stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.transforms import v2

from fuseablate import InputError
from fuseablate.data.augmentations import Augmentations
from fuseablate.data.batches import TrainBatches
from fuseablate.recipes import AUGMENTATIONS, Recipe
from fuseablate.streams import stream
from tests.helpers.small_run import small_data, small_recipe

NEEDED: dict[str, dict[str, Any]] = {
    "ColorJitter": {"brightness": 0.4},
    "GaussianBlur": {"kernel_size": 3},
    "ElasticTransform": {"sigma": 1.0},
    "RandomAffine": {"degrees": 10},
    "RandomAdjustSharpness": {"sharpness_factor": 2.0},
    "RandomPosterize": {"bits": 4},
    "RandomRotation": {"degrees": 10},
    "RandomSolarize": {"threshold": 128},
}


def images(count: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, 16, 16), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_name_is_torchvisions_and_keeps_an_image_one(name: str) -> None:
    options = NEEDED.get(name, {})
    recipe = small_recipe(augment=[{"name": name, "options": options}])
    own = Augmentations.of(recipe, (16, 16))
    assert own is not None
    seeds = torch.arange(6)
    before = torch.random.get_rng_state()
    changed = own(images(), seeds)
    assert torch.equal(torch.random.get_rng_state(), before)
    transform = getattr(v2, name)(**options)
    for image, after, seed in zip(images(), changed, seeds.tolist(), strict=True):
        torch.manual_seed(seed)
        assert torch.equal(after, transform(image))
    torch.random.set_rng_state(before)
    assert torch.equal(own(images()[3:4], seeds[3:4])[0], changed[3])  # whatever it stands beside


def epoch(recipes: Sequence[Recipe]) -> list[Tensor]:
    """Return each run's images of an epoch."""
    data = small_data()
    batches = TrainBatches(
        data.train, data, 24, "cpu",
        order=[stream(7, "order") for _ in recipes],
        augment=[stream(7, "augment") for _ in recipes],
        augmentations=[Augmentations.of(recipe, data.image_size) for recipe in recipes],
    )  # fmt: skip
    seen = [batch.chunk(len(recipes)) for batch, _ in batches]
    return [torch.cat(of_run) for of_run in zip(*seen, strict=True)]


def test_runs_of_one_seed_see_the_same_images_alone_and_together() -> None:
    plain = small_recipe()
    more = small_recipe(augment=["TrivialAugmentWide", "RandomErasing"])
    (alone,), (without,) = epoch([more]), epoch([plain])
    together = epoch([more, plain, more])
    assert torch.equal(together[0], alone)
    assert torch.equal(together[2], alone)
    assert torch.equal(together[1], without)
    assert not torch.equal(alone, without)


@pytest.mark.parametrize(
    ("augment", "said"),
    [
        (["GaussianBlur"], "GaussianBlur: .* missing 1 required positional argument"),
        ([{"name": "RandomErasing", "options": {"p": 2}}], "RandomErasing: .*in the interval"),
        ([{"name": "RandAugment", "options": {"num_ops": "two"}}], "RandAugment: .* got two"),
    ],
)
def test_what_torchvision_refuses_is_one_line(augment: list[object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Augmentations.of(small_recipe(augment=augment), (16, 16))
