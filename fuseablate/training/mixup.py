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


def mixed(
    images: Tensor, labels: Tensor, alpha: float, generator: torch.Generator
) -> tuple[Tensor, Targets]:
    """Return images (N, C, H, W), each with a share of another of its batch, and their classes.

    The batch has one share, drawn from Beta(alpha, alpha), as in BiT's published code. A step
    draws as many numbers from the generator whatever they are, so that runs stay pairs.
    """
    seed = int(torch.randint(2**62, (), generator=generator))
    order = torch.randperm(len(labels), generator=generator).to(labels.device)
    share = random.Random(seed).betavariate(alpha, alpha)
    # An image and its partner change places where the partner's share is the greater: the
    # mixtures are the same in distribution, and an image's own class is always the greater part.
    share = max(share, 1 - share)
    others = images.index_select(0, order)
    return images.lerp(others, 1 - share), Targets(labels, labels.index_select(0, order), share)
