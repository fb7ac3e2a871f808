"""From a recipe to torch's optimizer, and the average of the weights."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from inspect import signature, unwrap
from typing import Any

import torch
from torch import nn

from fuseablate.recipes import OPTIMIZER_CLASSES, OPTIMIZERS, Recipe, made, resolved

# One kernel for all of a step. On the CPU it takes parameters and gradients in the order of
# their memory, so both must have the same strides; autograd gives gradients those of their
# parameters.
FUSED = {"sgd", "adam", "adamw"}

# What torch hides from its compiler: the first call of any imports the compiler, which takes a
# process over a second and 150 MB, and nothing here is compiled.
_HIDDEN = ("add_param_group", "load_state_dict", "state_dict", "step", "zero_grad")


def make_optimizer(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    """Return the recipe's optimizer; norms and biases are a group of their own if undecayed."""
    parameters = list(network.parameters())
    settings: dict[str, Any] = {
        key: value
        for key, value in recipe.to_dict().items()
        if key in OPTIMIZERS.get(recipe.optimizer, {})
    }
    settings |= recipe.optimizer_options
    if recipe.optimizer in FUSED and parameters[0].device.type in ("cpu", "cuda"):
        settings["fused"] = True
    part = OPTIMIZER_CLASSES[recipe.optimizer]
    if "capturable" in signature(resolved(part)).parameters:
        settings["capturable"] = parameters[0].device.type == "cuda"
    if recipe.weight_decay_norm:
        groups = [{"params": parameters, "weight_decay": recipe.weight_decay}]
    else:
        weights = [parameter for parameter in parameters if parameter.ndim > 1]
        others = [parameter for parameter in parameters if parameter.ndim <= 1]
        groups = [
            {"params": weights, "weight_decay": recipe.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
    optimizer: torch.optim.Optimizer = made(
        recipe.optimizer, _uncompiled(resolved(part)), groups, lr=recipe.lr, **settings
    )
    return optimizer


def is_capturable(recipe: Recipe) -> bool:
    """Whether steps of the optimizer can be captured in a graph, its rate on the device."""
    name = recipe.optimizer
    return name in FUSED or "capturable" in signature(resolved(OPTIMIZER_CLASSES[name])).parameters


class EMA:
    """An exponential moving average of a network's weights and buffers (Polyak averaging).

    The decay warms up, as min(decay, (1 + t) / (10 + t)) after t steps, so that the random
    initial weights are soon forgotten. Batch norm's statistics are averaged too.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.decay = decay
        pairs = list(zip(_tensors(self.network), _tensors(network), strict=True))
        self._floats = [pair for pair in pairs if pair[0].is_floating_point()]
        self._counts = [pair for pair in pairs if not pair[0].is_floating_point()]

    def share(self, step: int) -> float:
        """Return how much of the weights after the step `step` (from 1) comes into the average."""
        return 1 - min(self.decay, (1 + step) / (10 + step))

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the network's weights and statistics after the step `step` (from 1)."""
        averages, values = zip(*self._floats, strict=True)
        torch._foreach_lerp_(averages, values, self.share(step))

    @torch.no_grad()
    def take_in(self, share: torch.Tensor) -> None:
        """Take in a share () of the weights and statistics that is read when it is computed.

        What `update` does, to rounding, for steps that are captured.
        """
        averages, values = (list(tensors) for tensors in zip(*self._floats, strict=True))
        ways = torch._foreach_sub(values, averages)
        torch._foreach_mul_(ways, share)
        torch._foreach_add_(averages, ways)

    def take_counts(self) -> None:
        """Take over how many batches batch norm has seen, which nothing depends on."""
        for count, value in self._counts:
            count.copy_(value)


@contextmanager
def counted_at_the_end(networks: Iterable[nn.Module], steps: int) -> Iterator[None]:
    """Let batch norms count the batches that they see within the block at its end.

    One by one it is a kernel for each norm in each step, and no step reads the count.
    """
    kinds = (nn.BatchNorm2d,)
    norms = [norm for network in networks for norm in network.modules() if isinstance(norm, kinds)]
    counts = [norm.num_batches_tracked for norm in norms]
    for norm in norms:
        norm.num_batches_tracked = None
    try:
        yield
    finally:
        for norm, count in zip(norms, counts, strict=True):
            norm.num_batches_tracked = count
    for count in counts:
        if count is not None:
            count.add_(steps)


def _tensors(network: nn.Module) -> list[torch.Tensor]:
    return [*network.parameters(), *network.buffers()]


def _uncompiled(factory: Callable[..., Any]) -> Callable[..., Any]:
    """Return an optimizer of torch's that does without torch's compiler; any other as it is."""
    if not (isinstance(factory, type) and factory.__module__.split(".")[:2] == ["torch", "optim"]):
        return factory
    methods = {name: unwrap(getattr(factory, name)) for name in _HIDDEN}
    methods["step"] = torch.no_grad()(methods["step"])
    return type(factory.__name__, (factory,), methods)
