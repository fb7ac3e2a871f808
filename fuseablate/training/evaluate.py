"""A network's score on one part of the data."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from fuseablate.data.batches import eval_batches
from fuseablate.data.parts import Data, Part
from fuseablate.runs import Score, TestScore, pack_bits

BATCH = 500


def evaluate(network: nn.Module, part: Part, data: Data, device: torch.device) -> Score:
    """Return the loss, top-1 and top-5 of `network` on `part`, in float32 and eval mode."""
    return _score(network, part, data, device)[0]


def evaluate_test(network: nn.Module, part: Part, data: Data, device: torch.device) -> TestScore:
    """Return the score on the test set, with each class's top-1 and each image's bit."""
    score, right = _score(network, part, data, device)
    totals = torch.bincount(part.labels, minlength=data.classes).tolist()
    hits = torch.bincount(part.labels[right], minlength=data.classes).tolist()
    return TestScore(
        **vars(score),
        per_class=tuple(_ratio(hit, total) for hit, total in zip(hits, totals, strict=True)),
        right=pack_bits(right.tolist()),
    )


def _ratio(hits: int, total: int) -> float | None:
    return hits / total if total else None


@torch.inference_mode()
def _score(
    network: nn.Module, part: Part, data: Data, device: torch.device
) -> tuple[Score, torch.Tensor]:
    """Return the score and, on the CPU, whether each image was classified rightly: (N,) bool."""
    network.eval()
    losses: list[torch.Tensor] = []
    right: list[torch.Tensor] = []
    near: list[torch.Tensor] = []
    for images, labels in eval_batches(part, data, BATCH, device):
        logits = network(images)
        losses.append(F.cross_entropy(logits, labels, reduction="none"))
        best = logits.topk(min(5, logits.shape[1]), dim=1).indices == labels[:, None]
        right.append(best[:, 0])
        near.append(best.any(dim=1))
    hits = torch.cat(right).cpu()
    score = Score(
        images=len(part),
        loss=_mean(losses),
        top1=hits.double().mean().item(),
        top5=_mean(near),
    )
    return score, hits


def _mean(values: Sequence[torch.Tensor]) -> float:
    # In double precision on the CPU: MPS has none.
    return torch.cat(tuple(values)).cpu().double().mean().item()
