"""Batches of images that are made of two: MixUp (Zhang et al., ICLR 2018) and CutMix.

CutMix pastes a box of the other image (Yun et al., ICCV 2019).
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Targets:
    """The classes of a batch, which may be mixed."""

    labels: Tensor
    """(N,)"""
    others: Tensor | None = None
    """(N,): the classes of what each image was mixed with."""
    shares: Tensor | None = None
    """(2,): how much of each image is its own, and how much is the other's."""

    def loss(self, logits: Tensor, smoothing: float) -> Tensor:
        """Return the cross-entropy of logits (N, classes): that of each class by its share."""
        own = F.cross_entropy(logits, self.labels, label_smoothing=smoothing)
        if self.others is None or self.shares is None:
            return own
        other = F.cross_entropy(logits, self.others, label_smoothing=smoothing)
        return self.shares[0] * own + self.shares[1] * other


def draw_mixing(
    alpha: float, steps: int, batch_size: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw with which other image of its batch each image of an epoch is mixed, and by how much.

    Return the others' places (steps, N), and the shares (steps, 2) of an image and of the other;
    each batch has one share, from Beta(alpha, alpha), as in BiT's published code. A step draws as
    many numbers from the generator whatever they are, so that runs stay pairs.
    """
    orders, shares = [], []
    for _ in range(steps):
        seed = int(torch.randint(2**62, (), generator=generator))
        orders.append(torch.randperm(batch_size, generator=generator))
        share = random.Random(seed).betavariate(alpha, alpha)
        # An image and its partner change places where the partner's share is the greater: the
        # mixtures are the same in distribution, and an image's own class is always the greater
        # part.
        share = max(share, 1 - share)
        shares.append((share, 1 - share))
    return torch.stack(orders), torch.tensor(shares)


def mixed(images: Tensor, labels: Tensor, order: Tensor, shares: Tensor) -> tuple[Tensor, Targets]:
    """Return images (N, C, H, W), each with a share of another of its batch, and their classes.

    `order` (N,) and `shares` (2,) are those of a step, as `draw_mixing` draws them.
    """
    others = images.index_select(0, order)
    return images.lerp(others, shares[1]), Targets(labels, labels.index_select(0, order), shares)


def draw_pasting(
    alpha: float, steps: int, batch_size: int, size: tuple[int, int], generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw of which other image of its batch each image of an epoch gets a box, and which box.

    Return the others' places (steps, N), the shares (steps, 2) of an image and of the other, and
    the boxes (steps, 4): first and last line and column, the last not of it. Each batch has one
    box, which would take a share of the image from Beta(alpha, alpha) if its centre, uniform, were
    not too near to an edge. `size` is the images' (H, W).
    """
    orders, shares, boxes = [], [], []
    for _ in range(steps):
        numbers = random.Random(int(torch.randint(2**62, (), generator=generator)))
        orders.append(torch.randperm(batch_size, generator=generator))
        side_share = math.sqrt(1 - numbers.betavariate(alpha, alpha))
        box: list[int] = []
        for side in size:
            middle, half = int(numbers.random() * side), int(side * side_share) // 2
            box += [max(middle - half, 0), min(middle + half, side)]
        pasted = (box[1] - box[0]) * (box[3] - box[2]) / (size[0] * size[1])
        shares.append((1 - pasted, pasted))
        boxes.append(box)
    return torch.stack(orders), torch.tensor(shares), torch.tensor(boxes)


def pasted(
    images: Tensor, labels: Tensor, order: Tensor, shares: Tensor, box: Tensor
) -> tuple[Tensor, Targets]:
    """Return images (N, C, H, W), each with a box of another of its batch, and their classes.

    `order` (N,), `shares` (2,) and `box` (4,) are those of a step, as `draw_pasting` draws them.
    """
    lines, columns = (torch.arange(side, device=images.device) for side in images.shape[2:])
    inside = (lines >= box[0]) & (lines < box[1])
    across = (columns >= box[2]) & (columns < box[3])
    others = images.index_select(0, order)
    joined = torch.where(inside[:, None] & across, others, images)
    return joined, Targets(labels, labels.index_select(0, order), shares)
