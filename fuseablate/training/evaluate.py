"""A network's score on one part of the data."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fuseablate.data.batches import eval_batches
from fuseablate.data.parts import Data, Part
from fuseablate.data.transforms import normalise, normalised_bytes
from fuseablate.runs import Score, TestScore, pack_bits
from fuseablate.training.captured import Captured

BATCH = 500


def evaluate(network: nn.Module, part: Part, data: Data, device: torch.device) -> Score:
    """Return the loss, top-1 and top-5 of `network` on `part`, in float32 and eval mode."""
    (score,) = Evaluation(network, part, data, device, static=False).scores()
    return score


def evaluate_test(network: nn.Module, part: Part, data: Data, device: torch.device) -> TestScore:
    """Return the score on the test set, with each class's top-1 and each image's bit."""
    table = Evaluation(network, part, data, device, static=False).table()[:, 0]
    right = table[:, 1].bool()
    totals = torch.bincount(part.labels, minlength=data.classes).tolist()
    hits = torch.bincount(part.labels[right], minlength=data.classes).tolist()
    return TestScore(
        **vars(_score(table)),
        per_class=tuple(
            hit / total if total else None for hit, total in zip(hits, totals, strict=True)
        ),
        right=pack_bits(right.tolist()),
    )


class Evaluation:
    """The scoring of a network, which may be one of several runs, on a part: again and again."""

    def __init__(
        self,
        network: nn.Module,
        part: Part,
        data: Data,
        device: torch.device,
        *,
        runs: int = 1,
        static: bool | None = None,
    ) -> None:
        """Take a network of so many `runs`, whose tensors stay where they are.

        `static`: whether whole batches are read from where they lie on the device, and what they
        score is left there, so that their scoring is captured (by default: on CUDA). A short batch
        at the end is scored operator by operator.
        """
        self._network, self._data, self._device, self._runs = network, data, device, runs
        static = device.type == "cuda" if static is None else static
        self._whole = len(part) // BATCH if static else 0
        taken = self._whole * BATCH
        self._rest = Part(part.images[taken:], part.labels[taken:])
        if self._whole:
            self._bytes = normalised_bytes(data.mean, data.std).to(device)
            images, labels = part.images[:taken].to(device), part.labels[:taken].to(device)
            self._images = images.view(self._whole, BATCH, *images.shape[1:])
            self._labels = labels.view(self._whole, BATCH)
            self._next = torch.zeros(1, dtype=torch.int64, device=device)
            self._table = torch.zeros(self._whole, BATCH, runs, 3, device=device)
            self._captured = Captured(device)

    @property
    def is_captured(self) -> bool:
        return self._whole > 0 and self._captured.is_captured

    def scores(self) -> list[Score]:
        """Return the score of each run."""
        return [_score(of_run) for of_run in self.table().unbind(1)]

    @torch.inference_mode()
    def table(self) -> Tensor:
        """Return for each image and run its loss, and whether its class is the best or among five.

        It is (N, S, 3), on the CPU.
        """
        self._network.eval()
        parts = []
        if self._whole:
            self._next.zero_()
            for _ in range(self._whole):
                self._captured(self._score_next)
            parts.append(self._table.flatten(0, 1))
        if len(self._rest):
            rest = eval_batches(self._rest, self._data, BATCH, self._device)
            parts += [self._row(images, labels) for images, labels in rest]
        return torch.cat(parts).cpu()

    def _score_next(self) -> None:
        images, labels = (
            table.index_select(0, self._next)[0] for table in (self._images, self._labels)
        )
        row = self._row(normalise(images, self._bytes), labels)
        self._table.index_copy_(0, self._next, row[None])
        self._next += 1

    def _row(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return what a batch adds to the table."""
        logits = self._network(torch.cat([images] * self._runs, 1)).unflatten(1, (self._runs, -1))
        losses = [F.cross_entropy(own, labels, reduction="none") for own in logits.unbind(1)]
        loss = torch.stack(losses, 1)
        best = logits.topk(min(5, logits.shape[2]), dim=2).indices == labels[:, None, None]
        return torch.stack((loss, best[:, :, 0].to(loss), best.any(dim=2).to(loss)), 2)


def _score(table: Tensor) -> Score:
    """Return a run's score from its part (N, 3) of the table."""
    # In double precision on the CPU: MPS has none.
    loss, top1, top5 = (column.double().mean().item() for column in table.unbind(1))
    return Score(images=len(table), loss=loss, top1=top1, top5=top5)
