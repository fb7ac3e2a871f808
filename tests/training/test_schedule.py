"""Learning rates, compared with torch's schedulers and the sources' printed logs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fuseablate.recipes.load import load_recipe
from fuseablate.recipes.recipe import EarlyStop, Recipe
from fuseablate.recipes.schedules import Cosine, MultiStep, OneCycle
from fuseablate.runs.record import Curves
from fuseablate.training.schedule import has_stalled, learning_rate

# Epoch, rate and average training loss, as the RegNet report's log prints them.
REGNET_LOG = """
1 0.000010 0.009097
2 0.000208 0.007510
3 0.000406 0.006559
4 0.000604 0.005941
5 0.000802 0.005484
6 0.001000 0.005128
7 0.000994 0.004745
8 0.000975 0.004455
9 0.000944 0.004225
10 0.000902 0.004031
11 0.000848 0.003858
12 0.000784 0.003703
13 0.000710 0.003568
14 0.000627 0.003435
15 0.000537 0.003316
16 0.000440 0.003171
17 0.000337 0.003054
18 0.000230 0.002947
19 0.000121 0.002842
20 0.000010 0.002756
21 0.000010 0.002747
22 0.000010 0.002733
23 0.000010 0.002725
24 0.000010 0.002723
25 0.000010 0.002704
26 0.000010 0.002713
27 0.000010 0.002700
28 0.000010 0.002702
29 0.000010 0.002701
30 0.000010 0.002699
31 0.000010 0.002697
32 0.000010 0.002691
33 0.000010 0.002687
34 0.000010 0.002681
35 0.000010 0.002688
36 0.000010 0.002681
37 0.000010 0.002678
38 0.000010 0.002676
39 0.000010 0.002681
40 0.000010 0.002667
"""


def recipe(schedule: Cosine | MultiStep | OneCycle, epochs: int = 6, lr: float = 0.3) -> Recipe:
    return Recipe(epochs=epochs, batch_size=1, optimizer="sgd", lr=lr, schedule=schedule)


def rates(of: Recipe, epoch_steps: int) -> list[float]:
    return [learning_rate(of, step, epoch_steps) for step in range(of.epochs * epoch_steps)]


def torch_rates(
    optimizer: torch.optim.Optimizer, scheduler: torch.optim.lr_scheduler.LRScheduler, steps: int
) -> Iterator[float]:
    for _ in range(steps):
        yield optimizer.param_groups[0]["lr"]
        optimizer.step()
        scheduler.step()


def sgd(lr: float = 0.3) -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)


def test_the_regnet_log_line_by_line() -> None:
    of = load_recipe("regnet-report")
    lines = [line.split() for line in REGNET_LOG.split("\n") if line]
    assert len(lines) == 40
    for epoch, rate, _ in lines:
        for step in (0, 50, 97):  # 98 batches of 512; one rate for all of an epoch
            lr = learning_rate(of, (int(epoch) - 1) * 98 + step, 98)
            assert f"{lr:.6f}" == rate, epoch


def curves(train: Sequence[float], val: Sequence[float]) -> Curves:
    zeros = (0.0,) * len(train)
    return Curves(zeros, tuple(train), zeros, tuple(val), zeros, zeros, zeros)


def test_the_regnet_log_was_not_stopped_early() -> None:
    """The report's rule, over the report's losses: it trained for all of its 40 epochs."""
    stop = load_recipe("regnet-report").early_stop
    assert stop is not None
    losses = tuple(float(line.split()[2]) for line in REGNET_LOG.split("\n") if line)
    for epoch in range(1, 40):
        assert not has_stalled(stop, curves(losses[:epoch], [1.0] * epoch))


def test_cosine_is_torchs() -> None:
    optimizer = sgd()
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=42, eta_min=0.03)
    expected = list(torch_rates(optimizer, scheduler, 42))
    assert rates(recipe(Cosine(final=0.1)), 7) == pytest.approx(expected)


@pytest.mark.filterwarnings("ignore:The epoch parameter")  # torch's own use of itself
def test_warm_up_then_cosine_is_torchs_chain() -> None:
    optimizer = sgd()
    schedulers = torch.optim.lr_scheduler
    rise = schedulers.LinearLR(optimizer, start_factor=0.25, total_iters=14)
    fall = schedulers.CosineAnnealingLR(optimizer, T_max=28)
    chain = schedulers.SequentialLR(optimizer, [rise, fall], milestones=[14])
    expected = list(torch_rates(optimizer, chain, 42))
    assert rates(recipe(Cosine(warmup=2, start=0.25)), 7) == pytest.approx(expected)


def test_cosine_by_epoch_is_torchs_stepped_once_an_epoch() -> None:
    optimizer = sgd()
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=6)
    expected = [rate for rate in torch_rates(optimizer, scheduler, 6) for _ in range(7)]
    assert rates(recipe(Cosine(by="epoch")), 7) == pytest.approx(expected)


def test_a_cosine_that_ends_early_stays_at_its_end() -> None:
    values = rates(recipe(Cosine(decay=3, final=0.5)), 4)
    assert values[12:] == pytest.approx([0.15] * 12)
    assert min(values[:12]) > 0.15


@pytest.mark.parametrize(
    ("name", "milestones", "gamma", "epochs", "warmup"),
    [
        ("densenet", [150, 225], 0.1, 300, 0),
        ("resnet-tutorial", [20, 40, 60], 1 / 3, 80, 0),
        ("pytorch-cifar100", [60, 120, 160], 0.2, 200, 1),
    ],
)
def test_the_step_recipes_are_torchs_multistep(
    name: str, milestones: list[int], gamma: float, epochs: int, warmup: int
) -> None:
    of = load_recipe(name)
    optimizer = sgd(of.lr)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones, gamma)
    expected = [rate for rate in torch_rates(optimizer, scheduler, epochs) for _ in range(3)]
    # WarmUpLR of pytorch-cifar100: the rate times (steps so far) / (steps of the first epoch).
    expected[: 3 * warmup] = [of.lr * step / 3 for step in range(3 * warmup)]
    assert rates(of, 3) == pytest.approx(expected)


def test_milestones_in_epochs_and_as_shares_are_the_same() -> None:
    epochs = recipe(MultiStep(kind="multistep", milestones=(3, 5)), epochs=10)
    shares = recipe(MultiStep(kind="multistep", milestones=(0.3, 0.5)), epochs=10)
    assert rates(epochs, 7) == rates(shares, 7)


@pytest.mark.parametrize("epoch_steps", [1, 7, 20])
def test_one_cycle_is_torchs(epoch_steps: int) -> None:
    optimizer = sgd()
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.3, total_steps=6 * epoch_steps, pct_start=0.25, div_factor=10,
        final_div_factor=100, cycle_momentum=False,
    )  # fmt: skip
    expected = []
    for step in range(6 * epoch_steps):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step + 1 < 6 * epoch_steps:
            scheduler.step()
    cycle = OneCycle(kind="onecycle", warmup=0.25, div=10, final_div=100)
    assert rates(recipe(cycle), epoch_steps) == pytest.approx(expected)


spans = st.integers(0, 3) | st.floats(0, 0.5)


@given(
    st.builds(Cosine, warmup=spans, start=st.floats(0, 1), decay=st.none() | spans,
              final=st.floats(0, 1), arc=st.sampled_from(["half", "quarter"]),
              by=st.sampled_from(["step", "epoch"]))
    | st.builds(MultiStep, kind=st.just("multistep"), milestones=st.just((4, 5)), warmup=spans)
    | st.builds(OneCycle, kind=st.just("onecycle"), warmup=st.floats(0.01, 0.99)),
    st.integers(1, 9),
)  # fmt: skip
def test_a_rate_lies_between_nothing_and_the_peak(
    schedule: Cosine | MultiStep | OneCycle, epoch_steps: int
) -> None:
    assert all(0 <= rate <= 0.3 * (1 + 1e-12) for rate in rates(recipe(schedule), epoch_steps))


@pytest.mark.parametrize(
    ("losses", "stalled"),
    [
        ((3.0, 2.0), False),
        ((3.0, 2.0, 2.0), False),
        ((3.0, 2.0, 2.0, 2.5), True),  # an equal loss is no new low
        ((3.0, 2.0, 2.5, 1.9), False),
        ((3.0, 2.0, 2.5, 2.4), True),  # lower than the last, not than the lowest
        ((), False),
    ],
)
def test_early_stop_waits_for_a_new_low(losses: tuple[float, ...], stalled: bool) -> None:
    other = [-epoch if stalled else 1.0 for epoch in range(len(losses))]  # the loss not watched
    stop = EarlyStop(monitor="validation", patience=2)
    assert has_stalled(stop, curves(other, losses)) is stalled
    stop = EarlyStop(monitor="training", patience=2)
    assert has_stalled(stop, curves(losses, other)) is stalled
