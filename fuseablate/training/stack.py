"""Runs that are trained as one network; a run alone is a stack of one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fuseablate.layers import Layer
from fuseablate.network.modules import AuxHead
from fuseablate.network.stacking import hand_out_gradients, stacked
from fuseablate.training.state import TrainingState


class Stack:
    """The passes forwards and backwards of several runs; all else they do by themselves.

    The runs have networks of the same layers, one precision, and averages all or none.
    """

    def __init__(self, layer: Layer, states: Sequence[TrainingState]) -> None:
        self.layer, self.states = layer, tuple(states)
        self._networks = [state.network for state in states]
        averages = [state.average.network for state in states if state.average]
        if len(states) == 1:
            self.network, self.eval_network = states[0].network, states[0].eval_model
        else:
            self.network = stacked(layer, self._networks)
            self.eval_network = stacked(layer, averages) if averages else self.network
        self._heads = [module for module in self.network.modules() if isinstance(module, AuxHead)]

    def __len__(self) -> int:
        return len(self.states)

    def logits(self, images: Sequence[Tensor]) -> list[list[tuple[float, Tensor]]]:
        """Return for each run its logits (N, classes), first those of its head, with their weights.

        `images` are each run's (N, 3, H, W).
        """
        x = images[0] if len(self) == 1 else torch.cat(tuple(images), 1)
        ends = [(1.0, self.network(x))]
        for head in self._heads:
            assert head.logits is not None
            ends.append((head.weight, head.logits))
        parts = [[(weight, part) for part in end.chunk(len(self), 1)] for weight, end in ends]
        return [list(of_run) for of_run in zip(*parts, strict=True)]

    def backward(self, losses: Sequence[Tensor]) -> None:
        """Leave each run's gradients in its parameters; no loss depends on another run."""
        self.network.zero_grad(set_to_none=True)
        loss = losses[0] if len(self) == 1 else torch.stack(tuple(losses)).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        if len(self) > 1:
            hand_out_gradients(self.network, self._networks)
