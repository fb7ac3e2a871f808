"""Augmentations of images one by one: transforms of torchvision and of plug-ins.

They draw from torch's own generator, which is set for each image from a number of the run's
augmentation stream: runs of one seed see the same images, whatever the device and the workers.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fuseablate.errors import InputError
from fuseablate.recipes import AUGMENTATIONS, Recipe, made

SEED_VALUES = 2**62


class Augmentations:
    """What a recipe does to an image behind the crop and the flip."""

    def __init__(self, transforms: list[tuple[str, Callable[[Tensor], Tensor]]]) -> None:
        self._transforms = transforms

    @classmethod
    def of(cls, recipe: Recipe, size: tuple[int, int]) -> Augmentations | None:
        """Return the recipe's augmentations for images of `size` (H, W), or None.

        Raise `InputError` for one that refuses its options, or does not keep images as they are:
        uint8 `(3, H, W)`.
        """
        if not recipe.augment:
            return None
        own = cls(
            [
                (part.name, made(part.name, AUGMENTATIONS[part.name], **part.options))
                for part in recipe.augment
            ]
        )
        try:
            own(torch.zeros(1, 3, *size, dtype=torch.uint8), torch.zeros(1, dtype=torch.int64))
        except InputError as error:
            raise error.within(f"recipe {recipe.name}: augment") from None
        return own

    def __call__(self, images: Tensor, seeds: Tensor) -> Tensor:
        """Return images, uint8 `(N, 3, H, W)` on their device, each changed as its seed says."""
        generator = torch.default_generator
        kept = generator.get_state()
        try:
            changed = [
                self._changed(image, seed)
                for image, seed in zip(images.cpu(), seeds.tolist(), strict=True)
            ]
        finally:
            generator.set_state(kept)
        return torch.stack(changed).to(images.device)

    def _changed(self, image: Tensor, seed: int) -> Tensor:
        torch.default_generator.manual_seed(seed)
        for name, transform in self._transforms:
            try:
                after = transform(image)
            except Exception as error:  # a user's code, or an option that torchvision finds now
                why = " ".join(f"{type(error).__name__}: {error}".split())
                raise InputError(f"{name}: {why}") from None
            if after.shape != image.shape or after.dtype != torch.uint8:
                shape = "x".join(map(str, after.shape))
                raise InputError(
                    f"{name}: makes {shape} of {after.dtype} of an image; it must stay uint8 "
                    f"{'x'.join(map(str, image.shape))}"
                )
            image = after
        return image
