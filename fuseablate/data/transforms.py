"""Bytes to network input, bit-equal to torchvision's transforms.

The source's transforms are RandomCrop(32, padding=4), RandomHorizontalFlip, ToTensor and
Normalize, in that order: the crop pads with black before normalisation. Here they are pure
functions of a batch, the offsets and the flips.

A byte has 256 values, so that ToTensor and Normalize together are a table of 256 numbers a
channel. It is filled on the CPU, by the divisions that torchvision does: every device reads the
same bits, whatever its own division does to the last one.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fuseablate.data.sets import Triple


def crop_padding(size: int) -> int:
    """Return the black border that a crop may show on one side, in pixels: 4 at 32."""
    return size // 8


def normalised_bytes(mean: Triple, std: Triple) -> Tensor:
    """Return what each byte of each channel becomes: float32 `(3 * 256,)`, channel after channel.

    `mean` and `std` are in units where a byte of 255 is 1.
    """
    every_byte = torch.arange(256, dtype=torch.float32).div(255)
    return every_byte.sub(torch.tensor(mean)[:, None]).div(torch.tensor(std)[:, None]).flatten()


def normalise(images: Tensor, table: Tensor) -> Tensor:
    """Return float32 `(N, 3, H, W)`, channels-last, of uint8 images, by `normalised_bytes`."""
    count, channels, height, width = images.shape
    starts = torch.arange(0, 256 * channels, 256, dtype=torch.int32, device=images.device)
    pixels = images.permute(0, 2, 3, 1).reshape(count, -1)
    places = pixels + starts.repeat(height * width)
    chosen = table.index_select(0, places.flatten())
    return chosen.view(count, height, width, channels).permute(0, 3, 1, 2)


def crop_and_flip(images: Tensor, dx: Tensor, dy: Tensor, flip: Tensor, padding: int) -> Tensor:
    """Return each image cut from its black-framed self, then mirrored where `flip` says so.

    `images` are uint8 `(N, C, H, W)`. `dx` and `dy`, int64 `(N,)`, are the left and top edges
    of the cuts in the framed images, 0 to `2 * padding`; `flip` is bool `(N,)`. The result has
    the shape of `images`, channels-last.
    """
    count, channels, height, width = images.shape
    framed = F.pad(images.permute(0, 2, 3, 1), (0, 0) + (padding,) * 4)
    framed_height, framed_width = height + 2 * padding, width + 2 * padding
    numbers = torch.arange(count, device=images.device)
    down = torch.arange(height, device=images.device)
    right = torch.arange(width, device=images.device)
    rows = (numbers * framed_height + dy)[:, None] + down
    columns = dx[:, None] + torch.where(flip[:, None], width - 1 - right, right)
    pixels = (rows * framed_width)[:, :, None] + columns[:, None, :]
    cut = framed.reshape(-1, channels).index_select(0, pixels.flatten())
    return cut.view(count, height, width, channels).permute(0, 3, 1, 2)


def augment(
    images: Tensor, dx: Tensor, dy: Tensor, flip: Tensor, *, padding: int, table: Tensor
) -> Tensor:
    """Return the network's input in training: `crop_and_flip`, then `normalise`.

    The result is float32 `(N, 3, H, W)`, channels-last, on the device of the arguments.
    """
    return normalise(crop_and_flip(images, dx, dy, flip, padding), table)
