"""Folders of images."""

from __future__ import annotations

from pathlib import Path


def images(root: Path, classes: int, count: int) -> None:
    """Write a folder of images in torchvision's ImageFolder layout, one grey a class."""
    from PIL import Image

    for part in ("train", "test"):
        for label in range(classes):
            folder = root / part / f"class{label}"
            folder.mkdir(parents=True)
            for number in range(count):
                grey = 40 * label + number
                Image.new("RGB", (20, 24), (grey, 255 - grey, number)).save(
                    folder / f"{number}.png"
                )
