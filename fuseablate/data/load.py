"""Data sets by name."""

from __future__ import annotations

from pathlib import Path

import torch

from fuseablate.data.cifar import OFFICIAL, load_cifar
from fuseablate.data.folder import load_folder
from fuseablate.data.parts import (
    Data,
    Part,
    Progress,
    Triple,
    check_memory,
    make_data,
    stratified_split,
)
from fuseablate.errors import InputError, unknown

NAMES = ("cifar100", "cifar10", "generated", "folder")
CIFAR_ROOT = Path("data")
"""Where CIFAR is looked for and downloaded to, where no folder is given."""
MEMORY_LIMIT = 4 * 2**30
"""Bytes that the images of a set may take in memory, where no other limit is given."""


def load_data(
    name: str,
    root: Path | None = None,
    *,
    size: int | None = None,
    split_seed: int = 0,
    mean: Triple | None = None,
    std: Triple | None = None,
    memory_limit: int = MEMORY_LIMIT,
    progress: Progress | None = None,
    download: bool = True,
) -> Data:
    """Return the data set `name`: `cifar100`, `cifar10`, `generated` or `folder`.

    `root` is where the files lie; `generated` has none, and doesn't look at it. `size` is the
    height and width in pixels: `folder` needs it, `generated` takes 32 without it, CIFAR has no
    other than 32. `mean` and `std` of the channels (255 is 1) are otherwise the source's for
    CIFAR, and measured on the training part for the rest. `memory_limit` is in bytes.
    `split_seed` chooses the validation images. `download` allows CIFAR to come from the network.

    Raise `InputError` for an unknown name and for whatever is wrong with the files.
    """
    if name == "folder":
        if root is None or size is None:
            raise InputError(
                f"folder data: root = {root} and size = {size}; "
                "both the folder and the size to resize to, such as 32, are needed"
            )
        return load_folder(
            root,
            size,
            split_seed=split_seed,
            mean=mean,
            std=std,
            memory_limit=memory_limit,
            progress=progress,
        )
    if name == "generated":
        return generated_data(
            size=32 if size is None else size,
            split_seed=split_seed,
            mean=mean,
            std=std,
            memory_limit=memory_limit,
        )
    if name not in OFFICIAL:
        raise unknown("data set", name, NAMES)
    if size not in (None, 32):
        raise InputError(f"{name}: size = {size}; its images are 32 x 32, and are not resized")
    return load_cifar(
        name, root or CIFAR_ROOT, split_seed=split_seed, mean=mean, std=std, download=download
    )


def generated_data(
    classes: int = 100,
    size: int = 32,
    *,
    train_images: int = 100,
    test_images: int = 20,
    seed: int = 0,
    split_seed: int = 0,
    mean: Triple | None = None,
    std: Triple | None = None,
    memory_limit: int = MEMORY_LIMIT,
) -> Data:
    """Return the generated set with so many training and test images of each class.

    Raise `InputError` for a number out of its range, or more than `memory_limit` bytes.
    """
    # The generator is part of few runs: loaded when it is asked for.
    from fuseablate.data import generated

    def read(part: str, images_per_class: int) -> Part:
        images, labels = generated.generate(classes, size, images_per_class, part, seed)
        return Part(torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels))

    if test_images < 1:
        raise InputError(f"generated data: test_images = {test_images} must be at least 1")
    check_memory("generated data", classes * (train_images + test_images), size, memory_limit)
    whole = read("train", train_images)
    class_names = generated.class_names(classes)
    train, val = stratified_split(whole.labels, class_names, split_seed)
    return make_data(
        "generated",
        "generated shapes (not a benchmark)",
        class_names,
        train=whole.select(train),
        val=whole.select(val),
        read_test=lambda: read("test", test_images),
        source={
            "name": "generated",
            "content": {
                "generator": generated.VERSION,
                "seed": seed,
                "classes": classes,
                "train_images": train_images,
                "test_images": test_images,
            },
        },
        split_seed=split_seed,
        mean=mean,
        std=std,
    )
