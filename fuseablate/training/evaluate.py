"""A network's score on one part of the data."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fuseablate.data.batches import eval_batches
from fuseablate.data.parts import Data, Part
from fuseablate.runs import Score, TestScore, pack_bits

BATCH = 500


def evaluate(network: nn.Module, part: Part, data: Data, device: torch.device) -> Score:
    """Return the loss, top-1 and top-5 of `network` on `part`, in float32 and eval mode."""
    return evaluate_stack(network, 1, part, data, device)[0]


def evaluate_stack(
    network: nn.Module, runs: int, part: Part, data: Data, device: torch.device
) -> list[Score]:
    """Return the score of each of so many runs that are one network."""
    return [score for score, _ in _scores(network, runs, part, data, device)]


def evaluate_test(network: nn.Module, part: Part, data: Data, device: torch.device) -> TestScore:
    """Return the score on the test set, with each class's top-1 and each image's bit."""
    ((score, right),) = _scores(network, 1, part, data, device)
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
def _scores(
    network: nn.Module, runs: int, part: Part, data: Data, device: torch.device
) -> list[tuple[Score, Tensor]]:
    """Return each run's score and, on the CPU, which images it classified rightly: (N,) bool."""
    network.eval()
    seen: list[tuple[Tensor, ...]] = []
    for images, labels in eval_batches(part, data, BATCH, device):
        logits = network(torch.cat([images] * runs, 1)).unflatten(1, (runs, -1))
        losses = [F.cross_entropy(own, labels, reduction="none") for own in logits.unbind(1)]
        best = logits.topk(min(5, logits.shape[2]), dim=2).indices == labels[:, None, None]
        seen.append((torch.stack(losses, 1), best[:, :, 0], best.any(dim=2)))
    # In double precision on the CPU: MPS has none.
    loss, right, near = (torch.cat(column).cpu() for column in zip(*seen, strict=True))
    return [
        (
            Score(
                images=len(part),
                loss=loss[:, run].double().mean().item(),
                top1=right[:, run].double().mean().item(),
                top5=near[:, run].double().mean().item(),
            ),
            right[:, run],
        )
        for run in range(runs)
    ]
