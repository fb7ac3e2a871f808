"""Optimizers are torch's own, and the average follows its formula."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator

import pytest
import torch
from torch import Tensor, nn

from fuseablate.cost.memory import OPTIMIZER_STATE
from fuseablate.recipes import OPTIMIZER_CLASSES
from fuseablate.recipes.recipe import Recipe
from fuseablate.training.environment import threads_set
from fuseablate.training.optim import EMA, make_optimizer

Make = Callable[[Iterable[Tensor]], torch.optim.Optimizer]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with threads_set(1):
        yield


def recipe(optimizer: str, **changes: object) -> Recipe:
    base = {"epochs": 1, "batch_size": 1, "optimizer": optimizer, "lr": 0.01}
    return Recipe.model_validate({**base, "weight_decay": 0.05, **changes})


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, (1, 5), groups=8, bias=False),
        nn.Conv2d(8, 4, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    ).to(memory_format=torch.channels_last)


OTHERS: list[tuple[str, str, dict[str, object]]] = [
    ("nadam", "NAdam", {"momentum_decay": 0.01}),
    ("radam", "RAdam", {"eps": 1e-6}),
    ("adagrad", "Adagrad", {"lr_decay": 0.1}),
    ("adadelta", "Adadelta", {"rho": 0.8}),
    ("adafactor", "Adafactor", {"beta2_decay": -0.5}),
    ("asgd", "ASGD", {"alpha": 0.5}),
    ("adamw", "AdamW", {"amsgrad": True}),
    ("rmsprop", "RMSprop", {"alpha": 0.9, "centered": True}),
    ("sgd", "SGD", {"dampening": 0.1}),
]


@pytest.mark.parametrize(("name", "kind", "options"), OTHERS)
def test_any_of_torchs_by_name_with_its_own_options(
    name: str, kind: str, options: dict[str, object]
) -> None:
    ours, theirs = network(), network()
    more = {"momentum": 0.5} if name == "sgd" else {}
    own = recipe(name, optimizer_options=options, **more)
    take_steps(ours, make_optimizer(own, ours))
    make: Callable[..., torch.optim.Optimizer] = getattr(torch.optim, kind)
    take_steps(theirs, make(theirs.parameters(), lr=0.01, weight_decay=0.05, **more, **options))
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(mine, other, rtol=1e-5, atol=1e-7)
    assert own.to_dict()["optimizer_options"] == options


def test_what_each_keeps_for_a_parameter_is_what_memory_counts() -> None:
    for name in OPTIMIZER_CLASSES:
        net = network()
        changes = {"momentum": 0.9} if name == "sgd" else {}
        decay = {"weight_decay": 0.0} if name == "rprop" else {}
        optimizer = make_optimizer(recipe(name, **changes, **decay), net)
        take_steps(net, optimizer, 1)
        first = next(net.parameters())
        kept = [
            state
            for state in optimizer.state[first].values()
            if isinstance(state, Tensor) and state.shape == first.shape
        ]
        assert len(kept) == OPTIMIZER_STATE[name], name


def test_all_of_torchs_are_there_that_can_be() -> None:
    """LBFGS needs a closure, SparseAdam sparse gradients, Muon parameters of two dimensions."""
    theirs = {
        name.lower()
        for name, kind in vars(torch.optim).items()
        if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer)
    }
    assert set(OPTIMIZER_CLASSES) == theirs - {"optimizer", "lbfgs", "sparseadam", "muon"}


def test_none_of_them_waits_for_torchs_compiler() -> None:
    """Which takes a process over a second to import."""
    script = f"""
import sys, torch
from fuseablate.recipes import Recipe
from fuseablate.training.optim import make_optimizer
for name in {list(OPTIMIZER_CLASSES)}:
    net = torch.nn.Linear(2, 2)
    optimizer = make_optimizer(Recipe(epochs=1, batch_size=1, optimizer=name, lr=0.01), net)
    optimizer.zero_grad()
    net(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
print([name for name in ("torch._dynamo", "sympy", "triton") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert (done.stdout.decode(), done.stderr.decode()) == ("[]\n", "")


def take_steps(net: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 5) -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        images = torch.randn(6, 3, 9, 9, generator=generator)
        images = images.contiguous(memory_format=torch.channels_last)
        optimizer.zero_grad()
        net(images).pow(2).mean().backward()
        optimizer.step()


@pytest.mark.parametrize(
    ("of", "make"),
    [
        (
            recipe("sgd", momentum=0.9, nesterov=True),
            lambda p: torch.optim.SGD(p, 0.01, 0.9, nesterov=True, weight_decay=0.05),
        ),
        (recipe("sgd"), lambda p: torch.optim.SGD(p, 0.01, weight_decay=0.05)),
        (recipe("adam"), lambda p: torch.optim.Adam(p, 0.01, weight_decay=0.05)),
        (
            recipe("adamw", betas=[0.8, 0.99]),
            lambda p: torch.optim.AdamW(p, 0.01, betas=(0.8, 0.99), weight_decay=0.05),
        ),
        (recipe("adamax"), lambda p: torch.optim.Adamax(p, 0.01, weight_decay=0.05)),
        (
            recipe("rmsprop", momentum=0.5),
            lambda p: torch.optim.RMSprop(p, 0.01, momentum=0.5, weight_decay=0.05),
        ),
    ],
)
def test_a_recipe_steps_as_torchs_plain_optimizer_does(of: Recipe, make: Make) -> None:
    """The fused kernels too, on channels-last weights, against the unfused loop."""
    ours, reference = network(), network()
    take_steps(ours, make_optimizer(of, ours))
    take_steps(reference, make(reference.parameters()))
    for mine, theirs in zip(ours.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


def test_norms_and_biases_may_be_left_undecayed() -> None:
    """With a gradient of zero, SGD's step is the decay alone: w -= lr * decay * w."""
    net = network()
    before = copy.deepcopy(net)
    optimizer = make_optimizer(recipe("sgd", weight_decay_norm=False), net)
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for old, new in zip(before.parameters(), net.parameters(), strict=True):
        factor = 1 - 0.01 * 0.05 if old.ndim > 1 else 1
        torch.testing.assert_close(new, old * factor)


def test_the_average_follows_its_formula_by_hand() -> None:
    net = nn.Linear(1, 1, bias=False)
    nn.init.constant_(net.weight, 10.0)
    average = EMA(net, decay=0.25)
    nn.init.constant_(net.weight, 0.0)
    average.update(1)  # min(0.25, 2 / 11) = 2 / 11
    assert next(average.network.parameters()).item() == pytest.approx(20 / 11)
    nn.init.constant_(net.weight, 1.0)
    average.update(2)  # min(0.25, 3 / 12) = 0.25
    assert next(average.network.parameters()).item() == pytest.approx(0.25 * 20 / 11 + 0.75)
    assert not any(parameter.requires_grad for parameter in average.network.parameters())


def test_the_average_takes_in_batch_norms_statistics_and_counts() -> None:
    net = nn.BatchNorm2d(1)
    average = EMA(net, decay=0.999)
    assert net.running_mean is not None
    assert net.num_batches_tracked is not None
    net.running_mean.fill_(11.0)
    net.num_batches_tracked.fill_(7)
    average.update(1)
    average.take_counts()
    buffers = dict(average.network.named_buffers())
    assert buffers["running_mean"].item() == pytest.approx(11 * 9 / 11)
    assert buffers["num_batches_tracked"].item() == 7
