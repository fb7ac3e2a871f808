"""The steps of an epoch, from what was drawn for all of them; on CUDA devices they are captured.

A step reads its batch, its masks, its learning rate and the rest from tables with a row for each
step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fuseablate.data.batches import TrainBatches
from fuseablate.layers import Layer
from fuseablate.network import to_module
from fuseablate.network.modules import Dropout
from fuseablate.recipes import subspaces
from fuseablate.training.captured import Captured
from fuseablate.training.distillation import distilled
from fuseablate.training.mixup import Targets, draw_mixing, draw_pasting, mixed, pasted
from fuseablate.training.penalty import penalty
from fuseablate.training.schedule import learning_rate
from fuseablate.training.stack import Stack
from fuseablate.training.state import TrainingState

MOST_MASK_BYTES = 2**31  # of an epoch, on the device; twice that on the CPU


class _Masks(NamedTuple):
    """A run's masks of an epoch."""

    drawn: dict[str, Tensor]
    """(steps, *mask) for each dropout, bool, on the CPU."""
    after: Tensor
    """The state of the stream when all are drawn."""


class Steps:
    """The steps of a stack over its batches, epoch after epoch."""

    def __init__(self, stack: Stack, batches: TrainBatches, *, static: bool | None = None) -> None:
        """Prepare tables; `static` ones stay where they are in memory (by default: on CUDA).

        With them learning rates and masks, too, are read from tables.
        """
        self.stack, self._batches = stack, batches
        self._device = stack.states[0].device
        self._static = self._device.type == "cuda" if static is None else static
        runs, recipe = len(stack), stack.states[0].recipe
        self._batch_size, self._bf16 = recipe.batch_size, recipe.precision == "bf16"
        self._tables: dict[str, Tensor] = {}
        self._next = torch.zeros(1, dtype=torch.int64, device=self._device)
        self.losses = torch.zeros(len(batches), runs, device=self._device)
        """(steps, S) of this epoch."""
        self.hits = torch.zeros(runs, dtype=torch.int64, device=self._device)
        """(S,): how many images were classified rightly in this epoch."""
        names = (
            list(subspaces(stack.layer)) if any(s.recipe.orthonormal for s in stack.states) else []
        )
        self._penalised = [
            [state.network.get_parameter(name) for name in names] for state in stack.states
        ]
        self.captured = Captured(self._device, static=self._static)
        if self._static:
            # The kernels read rates as float32; on the CPU they are as exact as Python's.
            kind = torch.float64 if self._device.type == "cpu" else torch.float32
            self._rates = torch.zeros(runs, dtype=kind, device=self._device)
            for state, rate in zip(stack.states, self._rates.unbind(), strict=True):
                for group in state.optimizer.param_groups:
                    group["lr"] = rate
            self._shapes = _mask_shapes(stack.layer, self._batch_size, batches.image_size)
            numbers = sum(math.prod(shape.mask) for shape in self._shapes.values())
            if numbers * len(batches) * runs > MOST_MASK_BYTES:
                self._shapes = {}  # the modules draw them, step by step
                self.captured.refused = "the masks of an epoch take too much memory"
            self._pool = ThreadPoolExecutor(runs, "masks")
            self._ahead: list[Future[_Masks]] = []

    def __len__(self) -> int:
        """Return how many steps an epoch has."""
        return len(self._batches)

    def begin(self) -> None:
        """Draw an epoch, whose steps come next."""
        steps = len(self)
        for number, draw in enumerate(self._batches.draw()):
            self._put(f"batch {number}", draw)
        rates, shares = [], []
        for run, state in enumerate(self.stack.states):
            recipe, first = state.recipe, len(state.curves) * steps
            rates.append([learning_rate(recipe, first + step, steps) for step in range(steps)])
            if recipe.mixup:
                drawn = draw_mixing(recipe.mixup, steps, self._batch_size, state.streams["mixup"])
                self._put(f"others {run}", drawn[0])
                self._put(f"shares {run}", drawn[1])
            if recipe.cutmix:
                size, mixes = self._batches.image_size, state.streams["mixup"]
                boxes = draw_pasting(recipe.cutmix, steps, self._batch_size, size, mixes)
                for name, table in zip(("others", "shares", "box"), boxes, strict=True):
                    self._put(f"{name} {run}", table)
            if state.average:
                taken = range(first + 1, first + steps + 1)
                shares.append([state.average.share(step) for step in taken])
        self._python_rates = rates
        if self._static:
            self._put("rates", torch.tensor(rates, dtype=self._rates.dtype).T)
            if shares:
                self._put("averages", torch.tensor(shares).T)
            self._put_masks()
        self._row = 0
        for counter in (self._next, self.losses, self.hits):
            counter.zero_()
        self.stack.network.train()

    def take(self) -> None:
        """Take the next step."""
        self.captured(self._step)
        self._row += 1

    def _step(self) -> None:
        states = self.stack.states
        images, labels = self._batches.make(
            *(self._now(name) for name in self._tables if name.startswith("batch "))
        )
        own_labels = labels.chunk(len(states))
        inputs, targets = self._mixed(images.chunk(len(states)), own_labels)
        # Autocast's cache of weights would outlive the capture.
        with torch.autocast(
            self._device.type, torch.bfloat16, self._bf16, cache_enabled=not self._static
        ):
            ends = self.stack.logits(inputs)
            losses = [
                _loss(heads, target, state, own)
                for heads, target, state, own in zip(ends, targets, states, inputs, strict=True)
            ]
        self.stack.backward(losses)
        own = torch.stack([loss.detach() for loss in self._with_penalties(losses)])
        self._move()
        self.losses.index_copy_(0, self._next, own[None].to(self.losses.dtype))
        self.hits += torch.stack(
            [
                (heads[0][1].detach().argmax(dim=1) == right).sum()
                for heads, right in zip(ends, own_labels, strict=True)
            ]
        )
        self._next += 1

    def _with_penalties(self, losses: Sequence[Tensor]) -> Iterator[Tensor]:
        """Yield each run's loss with its penalty, whose gradients are added to the run's own."""
        for loss, state, weights in zip(losses, self.stack.states, self._penalised, strict=True):
            if state.recipe.orthonormal:
                extra = state.recipe.orthonormal * penalty(weights)
                extra.backward()  # type: ignore[no-untyped-call]
                yield loss + extra
            else:
                yield loss

    def _move(self) -> None:
        """Have each run clip its gradients, move its weights, and take them into its average."""
        shares = None
        if self._static:
            self._rates.copy_(self._now("rates"))
            shares = self._now("averages") if "averages" in self._tables else None
        for run, state in enumerate(self.stack.states):
            if state.recipe.clip_norm is not None:
                nn.utils.clip_grad_norm_(state.network.parameters(), state.recipe.clip_norm)
            if not self._static:
                for group in state.optimizer.param_groups:
                    group["lr"] = self._python_rates[run][self._row]
            state.optimizer.step()
            if state.average and shares is not None:
                state.average.take_in(shares[run])
            elif state.average:
                state.average.update(len(state.curves) * len(self) + self._row + 1)

    def _mixed(
        self, images: Sequence[Tensor], labels: Sequence[Tensor]
    ) -> tuple[list[Tensor], list[Targets]]:
        """Return each run's images and targets, mixed where its recipe mixes."""
        inputs, targets = list(images), [Targets(own) for own in labels]
        for run, (own_images, own_labels) in enumerate(zip(images, labels, strict=True)):
            if f"others {run}" in self._tables:
                drawn = self._now(f"others {run}"), self._now(f"shares {run}")
                box = (self._now(f"box {run}"),) if f"box {run}" in self._tables else ()
                make = pasted if box else mixed
                inputs[run], targets[run] = make(own_images, own_labels, *drawn, *box)
        return inputs, targets

    def _put(self, name: str, table: Tensor) -> None:
        """Make a table that of this epoch; a static one stays where it is."""
        if self._static and name in self._tables:
            self._tables[name].copy_(table, non_blocking=True)
        elif self._static:
            self._tables[name] = table.to(self._device, copy=True)
        else:
            self._tables[name] = table.to(self._device)

    def _now(self, name: str) -> Tensor:
        """Return the row of a table that is this step's."""
        return self._tables[name].index_select(0, self._next)[0]

    def _put_masks(self) -> None:
        """Make the masks those of this epoch, and have those of the next one drawn meanwhile."""
        if not self._shapes:
            return
        ahead = self._ahead or [self._draw_ahead(run) for run in range(len(self.stack))]
        for run, (future, state) in enumerate(zip(ahead, self.stack.states, strict=True)):
            masks = future.result()
            for name, table in masks.drawn.items():
                self._put(f"mask {run} {name}", table)
                dropout = state.network.get_submodule(name)
                assert isinstance(dropout, Dropout)
                dropout.drawn = self._tables[f"mask {run} {name}"], self._next
            state.streams["dropout"].set_state(masks.after)
        self._ahead = [self._draw_ahead(run) for run in range(len(self.stack))]

    def _draw_ahead(self, run: int) -> Future[_Masks]:
        """Begin to draw a run's masks of an epoch; its own stream is left where it is."""
        generator = torch.Generator()
        generator.set_state(self.stack.states[run].streams["dropout"].get_state())
        return self._pool.submit(_drawn_masks, self._shapes, len(self), generator)

    def close(self) -> None:
        """Let the masks be drawn by the modules again, as in other hands."""
        if self._static:
            self._pool.shutdown(cancel_futures=True)
            for state in self.stack.states:
                for module in state.network.modules():
                    if isinstance(module, Dropout):
                        module.drawn = None


def _loss(
    heads: Sequence[tuple[float, Tensor]], targets: Targets, state: TrainingState, images: Tensor
) -> Tensor:
    """Return the loss of a run's head, and those of its auxiliary heads by their weights.

    A teacher sees the images as the run does, and teaches the head alone.
    """
    (_, logits), *others = heads
    smoothing, teacher = state.recipe.label_smoothing, state.recipe.teacher
    loss = targets.loss(logits, smoothing)
    if teacher and state.teacher:
        with torch.no_grad():
            taught = state.teacher(images)
        loss = distilled(loss, logits, taught, teacher)
    for weight, side in others:
        loss = loss + weight * targets.loss(side, smoothing)
    return loss


def _dropouts(network: nn.Module) -> Iterator[tuple[str, Dropout]]:
    for name, module in network.named_modules():
        if isinstance(module, Dropout) and module.p:
            yield name, module


class _Shape(NamedTuple):
    p: float
    mask: tuple[int, ...]


def _mask_shapes(layer: Layer, batch_size: int, size: tuple[int, int]) -> dict[str, _Shape]:
    """Return the masks of a step by the names of their dropouts, in the order that they draw in."""
    shapes: dict[str, _Shape] = {}
    with torch.device("meta"):  # shapes alone: no memory, no arithmetic
        network = to_module(layer).train()
        for name, dropout in _dropouts(network):

            def note(
                module: nn.Module, inputs: tuple[Tensor], name: str = name, p: float = dropout.p
            ) -> None:
                assert isinstance(module, Dropout)
                shapes[name] = _Shape(p, module.mask(inputs[0]))

            dropout.register_forward_pre_hook(note)
            dropout.p = 0.0  # draws nothing
        network(torch.empty(batch_size, 3, *size))
    return shapes


def _drawn_masks(shapes: dict[str, _Shape], steps: int, generator: torch.Generator) -> _Masks:
    """Draw an epoch's masks, step by step, as the modules would."""
    drawn = {
        name: torch.empty(steps, *shape.mask, dtype=torch.bool) for name, shape in shapes.items()
    }
    for step in range(steps):
        for name, shape in shapes.items():
            drawn[name][step].bernoulli_(1 - shape.p, generator=generator)
    return _Masks(drawn, generator.get_state())
