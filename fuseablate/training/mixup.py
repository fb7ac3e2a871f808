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
    share: float = 1.0
    """How much of each image is its own."""

    def loss(self, logits: Tensor, smoothing: float) -> Tensor:
        """Return the cross-entropy of logits (N, classes): that of each class by its share."""
        own = F.cross_entropy(logits, self.labels, label_smoothing=smoothing)
        if self.others is None:
            return own
        other = F.cross_entropy(logits, self.others, label_smoothing=smoothing)
        return self.share * own + (1 - self.share) * other


@dataclass(frozen=True)
class Mixing:
    """Which images of each batch of an epoch are mixed, and by how much."""

    orders: Tensor
    """(steps, N): for each image the place of its partner in the batch."""
    shares: tuple[float, ...]
    """Of an image in its own mixture, for each step."""


def draw_mixing(
    alpha: float, steps: int, batch_size: int, generator: torch.Generator, device: torch.device
) -> Mixing:
    """Draw an epoch's mixing; each batch has one share, from Beta(alpha, alpha).

    So it is in BiT's published code. A step draws as many numbers from the generator whatever they
    are, so that runs stay pairs.
    """
    orders, shares = [], []
    for _ in range(steps):
        seed = int(torch.randint(2**62, (), generator=generator))
        orders.append(torch.randperm(batch_size, generator=generator))
        share = random.Random(seed).betavariate(alpha, alpha)
        # An image and its partner change places where the partner's share is the greater: the
        # mixtures are the same in distribution, and an image's own class is always the greater
        # part.
        shares.append(max(share, 1 - share))
    # All at once: a copy in each step would have the device wait for it.
    return Mixing(torch.stack(orders).to(device), tuple(shares))


def mixed(images: Tensor, labels: Tensor, mixing: Mixing, step: int) -> tuple[Tensor, Targets]:
    """Return images (N, C, H, W), each with a share of another of its batch, and their classes."""
    order, share = mixing.orders[step], mixing.shares[step]
    others = images.index_select(0, order)
    return images.lerp(others, 1 - share), Targets(labels, labels.index_select(0, order), share)
