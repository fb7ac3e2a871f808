"""The transforms, compared with torchvision's own, pixel by pixel and bit by bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor
from torchvision import transforms as tv
from torchvision.transforms import functional as F

from fuseablate.data import load_data
from fuseablate.data.sets import Triple
from fuseablate.data.transforms import (
    augment,
    crop_and_flip,
    crop_padding,
    normalise,
    normalised_bytes,
)

MEAN: Triple = (0.4914, 0.4822, 0.4465)
STD: Triple = (0.2023, 0.1994, 0.2010)


def random_images(count: int, height: int, width: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (count, 3, height, width)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def by_torchvision(image: Tensor, dx: int, dy: int, flip: bool, padding: int) -> Tensor:
    """Do what RandomCrop, RandomHorizontalFlip, ToTensor and Normalize do to one PIL image."""
    height, width = image.shape[1:]
    picture = Image.fromarray(image.permute(1, 2, 0).numpy())
    picture = F.crop(F.pad(picture, [padding] * 4, fill=0), dy, dx, height, width)
    if flip:
        picture = F.hflip(picture)
    result: Tensor = F.normalize(F.to_tensor(picture), MEAN, STD)
    return result


def bits(images: Tensor) -> Tensor:
    return images.contiguous().view(torch.int32)


def assert_same_bits_as_torchvision(
    images: Tensor, dx: Tensor, dy: Tensor, flip: Tensor, padding: int
) -> None:
    table = normalised_bytes(MEAN, STD)
    ours = augment(images, dx, dy, flip, padding=padding, table=table)
    draws = zip(images, dx.tolist(), dy.tolist(), flip.tolist(), strict=True)
    theirs = torch.stack([by_torchvision(image, x, y, f, padding) for image, x, y, f in draws])
    assert ours.dtype == torch.float32
    assert ours.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(bits(ours), bits(theirs))


def every_draw(padding: int) -> tuple[Tensor, Tensor, Tensor]:
    edges = torch.arange(2 * padding + 1)
    dx, dy, flip = torch.cartesian_prod(edges, edges, torch.tensor([0, 1])).unbind(1)
    return dx, dy, flip.bool()


def test_all_81_offsets_and_both_flips_are_bit_equal_to_torchvision() -> None:
    dx, dy, flip = every_draw(padding=4)
    assert len(dx) == 9 * 9 * 2
    assert_same_bits_as_torchvision(random_images(162, 32, 32), dx, dy, flip, 4)


def test_channels_last_images_give_the_same_bits() -> None:
    dx, dy, flip = every_draw(padding=4)
    images = random_images(162, 32, 32).contiguous(memory_format=torch.channels_last)
    assert_same_bits_as_torchvision(images, dx, dy, flip, 4)


@pytest.mark.cifar100
def test_real_images_are_bit_equal_to_torchvision(cifar100_root: Path) -> None:
    dx, dy, flip = every_draw(padding=4)
    images = load_data("cifar100", cifar100_root).train.images[:162]
    assert_same_bits_as_torchvision(images, dx, dy, flip, 4)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_other_sizes_are_bit_equal_to_torchvision(data: st.DataObject) -> None:
    height, width = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    padding = data.draw(st.integers(0, 6))
    count = data.draw(st.integers(1, 4))
    edge = st.lists(st.integers(0, 2 * padding), min_size=count, max_size=count)
    flips = data.draw(st.lists(st.booleans(), min_size=count, max_size=count))
    dx, dy = torch.tensor(data.draw(edge)), torch.tensor(data.draw(edge))
    images = random_images(count, height, width)
    assert_same_bits_as_torchvision(images, dx, dy, torch.tensor(flips), padding)


@pytest.mark.parametrize("seed", range(20))
def test_the_source_pipeline_itself_gives_the_same_bits(seed: int) -> None:
    """RandomCrop draws the top edge, then the left one; the flip draws after both."""
    pipeline = tv.Compose(
        [
            tv.RandomCrop(32, padding=4),
            tv.RandomHorizontalFlip(),
            tv.ToTensor(),
            tv.Normalize(MEAN, STD),
        ]
    )
    images = random_images(1, 32, 32, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        theirs = pipeline(Image.fromarray(images[0].permute(1, 2, 0).numpy()))
        torch.manual_seed(seed)
        dy, dx = torch.randint(0, 9, (1,)), torch.randint(0, 9, (1,))
        flip = torch.rand(1) < 0.5
    ours = augment(images, dx, dy, flip, padding=4, table=normalised_bytes(MEAN, STD))
    assert torch.equal(bits(ours[0]), bits(theirs))


def test_each_byte_of_each_channel_is_normalised_as_torchvision_does() -> None:
    every_byte = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    theirs = F.normalize(F.to_tensor(Image.fromarray(every_byte)), MEAN, STD)
    images = torch.from_numpy(every_byte).permute(2, 0, 1)[None]
    ours = normalise(images, normalised_bytes(MEAN, STD))
    assert torch.equal(bits(ours[0]), bits(theirs))


def test_the_border_is_black_before_normalisation() -> None:
    white = torch.full((1, 3, 32, 32), 255, dtype=torch.uint8)
    corner = torch.tensor([0])
    unflipped = torch.tensor([False])
    table = normalised_bytes(MEAN, STD)
    cut = augment(white, corner, corner, unflipped, padding=4, table=table)
    black = torch.tensor([-0.4914 / 0.2023, -0.4822 / 0.1994, -0.4465 / 0.2010])
    torch.testing.assert_close(cut[0, :, 0, 0], black)
    torch.testing.assert_close(cut[0, :, 3, 31], black)
    assert torch.all(cut[0, :, 4:, 4:] > 2)


def test_images_are_not_changed_and_the_middle_cut_is_the_image() -> None:
    images = random_images(3, 32, 32)
    before = images.clone()
    middle = torch.full((3,), 4)
    cut = crop_and_flip(images, middle, middle, torch.tensor([False, False, True]), 4)
    assert torch.equal(cut[:2], before[:2])
    assert torch.equal(cut[2], before[2].flip(-1))
    assert torch.equal(images, before)


@pytest.mark.parametrize(("size", "padding"), [(32, 4), (64, 8), (224, 28), (28, 3), (7, 0)])
def test_the_border_is_an_eighth_of_the_size(size: int, padding: int) -> None:
    assert crop_padding(size) == padding
