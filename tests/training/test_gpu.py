"""Training on a CUDA device: `python -m pytest -m gpu` in one command.

By default the tests run on one that is pretended, so that the first minutes on a real one show what
is to be measured there, and no slip of ours.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from fuseablate.data.batches import TrainBatches
from fuseablate.engines import worker
from fuseablate.network.builder import build, initialise, to_module
from fuseablate.network.stacking import stacked
from fuseablate.ops import OPS, Settings
from fuseablate.recipes.schedules import Cosine
from fuseablate.runs.record import Curves, Record
from fuseablate.runs.store import RunFolder, Store
from fuseablate.streams import stream
from fuseablate.training import (
    Order,
    SilentProgress,
    StoppedError,
    checkpoint,
    train,
    train_stack,
)
from fuseablate.training.captured import WARM_UP
from fuseablate.training.environment import check_precision, precision_set
from fuseablate.training.epoch import train_epoch
from fuseablate.training.evaluate import Evaluation
from fuseablate.training.layouts import LAYOUTS, LayoutLoop
from fuseablate.training.stack import Stack
from fuseablate.training.state import TrainingState
from fuseablate.training.steps import Steps
from tests.helpers.engine_contract import small_job
from tests.helpers.mixed_net import MIXED, MIXED_SIZE, net
from tests.helpers.noise import BATCH, CLASSES, Noise
from tests.helpers.op_rows import NEEDED
from tests.helpers.pretended_cuda import pretended_cuda
from tests.helpers.small_run import small_data, small_recipe, small_spec

REAL = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    pytest.mark.filterwarnings("default"),  # what CUDA's libraries say is shown, and stops no test
]
CUDA, CPU = torch.device("cuda:0"), torch.device("cpu")


@pytest.fixture(autouse=True, params=[pytest.param("cuda", marks=REAL), "pretended"])
def _device(request: pytest.FixtureRequest) -> Iterator[None]:
    there = pretended_cuda() if request.param == "pretended" else nullcontext()
    with there, precision_set("float32"):
        yield


@pytest.fixture
def float64(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def outcome(network: nn.Module, images: Tensor, place: torch.device) -> list[Tensor]:
    """Return what a network makes of images there, and its gradients."""
    network = network.to(place).to(memory_format=torch.channels_last).train()
    x = images.to(place).to(memory_format=torch.channels_last).requires_grad_()
    y = network(x)
    y.sin().sum().backward()
    gradients = [parameter.grad for parameter in network.parameters()]
    return [part.cpu().double() for part in (y, x.grad, *gradients) if part is not None]


@pytest.mark.parametrize("name", OPS)
def test_every_op_is_what_it_is_on_the_cpu(name: str) -> None:
    layer = OPS[name].from_values("1", NEEDED[name]).layers((16, 9, 11), Settings(CLASSES, 0.0))
    images = torch.randn(8, 16, 9, 11, generator=stream(0, name))
    made = []
    for kind, place in ((torch.float64, torch.device("cpu")), (torch.float32, CUDA)):
        network = to_module(layer)
        initialise(network, 0)
        made.append(outcome(network.to(kind), images.to(kind), place))
    # A gradient that is 0 in exact arithmetic, as before a norm, is rounding of the others' size.
    rounding = 1e-5 * max(exact.abs().max().item() for exact in made[0])
    for exact, ours in zip(*made, strict=True):
        atol = 1e-3 * exact.abs().max().item() + rounding
        torch.testing.assert_close(ours, exact, rtol=1e-3, atol=atol)


def test_batches_are_those_of_the_cpu_to_the_last_bit() -> None:
    data = small_data()
    each = []
    for place in ("cpu", "cuda:0"):
        streams: dict[str, Any] = {word: [stream(3, word)] for word in ("order", "augment")}
        each.append(list(TrainBatches(data.train, data, 24, place, **streams)))
    for (images, labels), (others, theirs) in zip(*each, strict=True):
        assert torch.equal(images, others.cpu())
        assert torch.equal(labels, theirs.cpu())


# Rates that float32, in which a GPU reads them, holds exactly, and that change between two replays:
# batch norm over few numbers makes much of a small difference.
RATES: dict[str, object] = {
    "lr": 2**-10,
    "schedule": {"kind": "multistep", "milestones": [1], "gamma": 0.5},
}


def after(
    runs: int, place: torch.device, capture: bool, changes: dict[str, object]
) -> list[TrainingState]:
    """Return the states of runs after two epochs of six steps."""
    spec = net(*MIXED, drop_path=0.2)
    same = {"batch_size": BATCH, "mixup": 0.3, "clip_norm": 1.0, **RATES, **changes}
    recipes = [small_recipe(**{**same, "weight_decay": 1e-4 * run}) for run in range(runs)]
    teacher = build(spec, seed=9, size=MIXED_SIZE, fast=False).to(place).eval()
    states = [
        TrainingState(spec, recipe, run, MIXED_SIZE, place, teacher=teacher.requires_grad_(False))
        for run, recipe in enumerate(recipes)
    ]
    for group in (group for state in states for group in state.optimizer.param_groups):
        if "capturable" in group and place == CUDA:  # as on a real one, also where it is pretended
            group |= {"capturable": True, "foreach": not group.get("fused")}
    batches = cast("TrainBatches", Noise(range(runs), MIXED_SIZE, 6))
    steps = Steps(Stack(spec.layers(MIXED_SIZE), states), batches)
    if not capture:
        steps.captured.refused = "compared with"
    for _ in range(2):
        train_epoch(steps, [SilentProgress()] * runs)
    assert steps.captured.is_captured is (capture and place == CUDA), steps.captured.refused
    steps.close()
    return states


def check_equal(mine: list[TrainingState], theirs: list[TrainingState]) -> None:
    for state, other in zip(mine, theirs, strict=True):
        pairs = [(state.network, other.network)]
        if state.average and other.average:
            pairs.append((state.average.network, other.average.network))
        for network, reference in pairs:
            tensors = reference.state_dict()
            for name, tensor in network.state_dict().items():
                torch.testing.assert_close(
                    tensor.cpu(), tensors[name].cpu(), rtol=1e-5, atol=1e-6, msg=name
                )
        for name, generator in state.streams.items():
            assert torch.equal(generator.get_state(), other.streams[name].get_state()), name


PLAIN: dict[str, object] = {"momentum": None, "nesterov": None}
ADAPTIVE = ("rmsprop", "adam", "adamw", "adamax")
TAUGHT: dict[str, object] = {"teacher": {"run": "0" * 16, "weight": 0.6}}
CHANGES: list[dict[str, object]] = [
    {"ema": 0.9, "orthonormal": 0.1, **TAUGHT},
    {},
    {"ema": 0.9},
    {"orthonormal": 0.1},
    TAUGHT,
    *({**PLAIN, "optimizer": name} for name in ADAPTIVE),
]
SHORT = {0, 5}  # the rest takes too long where all are pretended


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(changes, marks=() if number in SHORT else pytest.mark.slow, id=str(changes))
        for number, changes in enumerate(CHANGES)
    ],
)
def test_captured_steps_are_the_eager_ones(changes: dict[str, object]) -> None:
    check_equal(after(2, CUDA, True, changes), after(2, CUDA, False, changes))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("runs", [1, 3])
def test_runs_on_the_gpu_are_those_of_the_cpu(runs: int) -> None:
    changes: dict[str, object] = {"ema": 0.9}
    check_equal(after(runs, CUDA, True, changes), after(runs, CPU, False, changes))


@pytest.mark.parametrize("runs", [1, 3])
def test_a_captured_validation_scores_what_an_eager_one_does(runs: int) -> None:
    """To the last bit, also when the weights have changed in their place."""
    data, spec = small_data(train_images=3000), small_spec()
    networks = [build(spec, seed=seed, size=(16, 16), fast=False).to(CUDA) for seed in range(runs)]
    networks = [network.to(memory_format=torch.channels_last) for network in networks]
    network = stacked(spec.layers((16, 16)), networks) if runs > 1 else networks[0]
    captured, eager = (
        Evaluation(network, data.val, data, CUDA, runs=runs, static=static)
        for static in (True, False)
    )
    for _ in range(3):
        assert torch.equal(captured.table(), eager.table())
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(1.1)
    assert captured.is_captured


def test_a_checkpoint_is_of_the_moment_that_it_was_asked_for(tmp_path: Path) -> None:
    """The device has been given more to do before the copy leaves it."""
    writer = checkpoint.Writer(CUDA)
    weights = torch.randn(64, 64, 3, 3, device=CUDA).to(memory_format=torch.channels_last)
    before = weights.cpu().clone()
    saved = writer.save(RunFolder(tmp_path), "a" * 64, {"weights": weights})
    for _ in range(1000):
        weights.add_(1)
    writer.close()
    assert saved.result() is None
    loaded = checkpoint.load(tmp_path / "checkpoint.pt", "a" * 64)["weights"]
    assert torch.equal(loaded, before)
    assert loaded.stride() == before.stride()


def test_a_step_that_diverges_is_the_cpus(tmp_path: Path) -> None:
    recipe = small_recipe(lr=1e30, schedule=Cosine())
    failures = [
        train(small_spec(), recipe, small_data(), 0, store=Store(tmp_path / place), device=place,
              progress=SilentProgress()).failure
        for place in ("cpu", "cuda")
    ]  # fmt: skip
    assert failures[0] is not None
    assert failures[1] is not None
    assert failures[0].step == failures[1].step


@pytest.mark.parametrize("changes", [{}, {"ema": 0.9, "mixup": 0.3, "clip_norm": 1.0}], ids=str)
@pytest.mark.parametrize("runs", [1, 3])
def test_a_captured_step_waits_for_nothing(runs: int, changes: dict[str, object]) -> None:
    data, recipe = small_data(), small_recipe(**changes)
    states = [TrainingState(small_spec(), recipe, run, (16, 16), CUDA) for run in range(runs)]
    streams: dict[str, Any] = {
        word: [state.streams[word] for state in states] for word in ("order", "augment")
    }
    batches = TrainBatches(data.train, data, 24, CUDA, **streams)
    steps = Steps(Stack(small_spec().layers((16, 16)), states), batches)
    steps.begin()
    for _ in range(WARM_UP + 1):
        steps.take()
    assert steps.captured.is_captured, steps.captured.refused
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(len(steps) - WARM_UP - 1):
            steps.take()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    steps.close()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
def test_a_benchmark_captures_each_layout_and_precision(layout: str, precision: str) -> None:
    loop = LayoutLoop(small_spec(), small_data(), small_recipe(precision=precision), CUDA, layout)
    with loop.settings():
        loop.run(WARM_UP + 2)
    assert loop.captured.is_captured, loop.captured.refused


class Stopping(SilentProgress):
    def epoch(self, curves: Curves) -> None:
        if len(curves) == 2:
            raise StoppedError


@pytest.mark.parametrize(
    "optimizer",
    ["sgd", *(pytest.param(name, marks=pytest.mark.slow) for name in ADAPTIVE)],
)
@pytest.mark.parametrize("first", ["cpu", "cuda:0"])
def test_a_run_goes_on_from_either_device(tmp_path: Path, first: str, optimizer: str) -> None:
    changes: dict[str, object] = {"lr": 1e-3, "ema": 0.9}
    if optimizer != "sgd":
        changes |= {"optimizer": optimizer, "momentum": None, "nesterov": None}
    given = (small_spec(), small_recipe(**changes), small_data(), 0)
    with pytest.raises(StoppedError):
        train(*given, store=Store(tmp_path / "a"), device=first, progress=Stopping())
    record = train(*given, store=Store(tmp_path / "a"), device="cuda", progress=SilentProgress())
    whole = train(*given, store=Store(tmp_path / "b"), device="cuda", progress=SilentProgress())
    assert record.val is not None
    assert whole.val is not None
    assert record.val.loss == pytest.approx(whole.val.loss, rel=0.02)
    assert len(record.notes) == (first == "cpu")
    assert record.environment["steps"] == "alone, captured"
    assert record.environment["cuda"] == torch.version.cuda


def test_a_stack_on_the_gpu_leaves_a_record_for_each(tmp_path: Path) -> None:
    orders = [Order(small_recipe(), seed, SilentProgress()) for seed in range(4)]
    store = Store(tmp_path)
    ended = train_stack(small_spec(), small_data(), orders, store=store, device="cuda")
    for _, record in ended:
        assert isinstance(record, Record)
        assert record.environment["steps"] == "stacked (4 runs), captured"


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_other_precisions_train(tmp_path: Path, precision: str) -> None:
    recipe = small_recipe(precision=precision)
    if torch.cuda.get_device_capability(CUDA) < (8, 0):
        pytest.skip("this device has neither")
    check_precision(recipe, CUDA)
    record = train(small_spec(), recipe, small_data(), 0, store=Store(tmp_path), device="cuda",
                   progress=SilentProgress())  # fmt: skip
    assert record.status == "finished"
    assert record.recipe["precision"] == precision


def test_a_memory_that_is_full_is_told_as_such(tmp_path: Path) -> None:
    told: list[dict[str, object]] = []

    class Nobody:
        def is_to_stop(self, number: int) -> bool:
            return False

    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1e-5)
    try:
        progress = worker.ParentProgress(told.append, 1, Nobody())
        worker.train_job(small_job(tmp_path, 0), "cuda:0", progress)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert told[-1]["kind"] == "memory"


def test_weights_of_the_gpu_load_on_the_cpu(tmp_path: Path) -> None:
    record = train(small_spec(), small_recipe(epochs=1), small_data(), 0, store=Store(tmp_path),
                   device="cuda", progress=SilentProgress())  # fmt: skip
    content = (Store(tmp_path).folder(record.digest) / "weights.pt").read_bytes()
    weights = torch.load(io.BytesIO(content), weights_only=True)
    assert {tensor.device.type for tensor in weights.values()} == {"cpu"}
