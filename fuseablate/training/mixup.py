"""MixUp: batches of images that are mixtures of two (Zhang et al., ICLR 2018)."""

from __future__ import annotations

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
