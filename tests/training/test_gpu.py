"""What only a CUDA device can show; `python -m pytest -m gpu` in one command."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from fuseablate.cost import training_memory
from fuseablate.data.batches import TrainBatches
from fuseablate.engines import worker
from fuseablate.network.builder import initialise, to_module
from fuseablate.ops import OPS, Settings
from fuseablate.recipes.recipe import load_recipe
from fuseablate.runs.record import Curves, Record
from fuseablate.runs.store import Store
from fuseablate.spec.catalog import load_spec
from fuseablate.streams import stream
from fuseablate.training import Order, SilentProgress, StoppedError, train, train_stack
from fuseablate.training.captured import WARM_UP
from fuseablate.training.environment import check_precision, precision_set
from fuseablate.training.epoch import train_epoch
from fuseablate.training.stack import Stack
from fuseablate.training.state import TrainingState
from fuseablate.training.steps import Steps
from tests.helpers.engine_contract import small_job
from tests.helpers.noise import BATCH, CLASSES, Noise
from tests.helpers.op_rows import NEEDED
from tests.helpers.small_run import small_data, small_recipe, small_spec

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
CUDA = torch.device("cuda:0")
SIZE = (32, 32)


@pytest.fixture(autouse=True)
def _precise() -> Iterator[None]:
    with precision_set("float32"):
        yield


@pytest.fixture
def float64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


class Moved(Noise):
    """Noise on the GPU."""

    def make(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        images, labels = super().make(images, labels)
        return images.to(CUDA), labels.to(CUDA)


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
    for exact, ours in zip(*made, strict=True):
        torch.testing.assert_close(ours, exact, rtol=1e-3, atol=1e-3 * exact.abs().max().item())


def test_batches_are_those_of_the_cpu_to_the_last_bit() -> None:
    data = small_data()
    each = []
    for place in ("cpu", "cuda:0"):
        streams: dict[str, Any] = {word: [stream(3, word)] for word in ("order", "augment")}
        each.append(list(TrainBatches(data.train, data, 24, place, **streams)))
    for (images, labels), (others, theirs) in zip(*each, strict=True):
        assert torch.equal(images, others.cpu())
        assert torch.equal(labels, theirs.cpu())


def after(runs: int, place: torch.device, capture: bool, **changes: object) -> list[TrainingState]:
    """Return the states of runs after two epochs of eight steps."""
    spec = load_spec("fusenet").edit(f"classes={CLASSES}", "fuse.residual=true", "drop_path=0.2")
    same = {"batch_size": BATCH, "mixup": 0.3, "clip_norm": 1.0, "lr": 0.01, **changes}
    recipes = [small_recipe(**{**same, "weight_decay": 1e-4 * run}) for run in range(runs)]
    states = [TrainingState(spec, recipe, run, SIZE, place) for run, recipe in enumerate(recipes)]
    noise = (Noise if place.type == "cpu" else Moved)(range(runs), SIZE, 8)
    batches = cast("TrainBatches", noise)
    steps = Steps(Stack(spec.layers(SIZE), states), batches)
    if not capture:
        steps.captured.refused = "compared with"
    for _ in range(2):
        train_epoch(steps, [SilentProgress()] * runs)
    assert steps.captured.is_captured is (capture and place.type == "cuda"), steps.captured.refused
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


PLAIN: dict[str, object] = {"momentum": None, "nesterov": None, "lr": 1e-3}
OPTIMIZERS: list[dict[str, object]] = [
    {},
    {"ema": 0.9},
    *({**PLAIN, "optimizer": name} for name in ("adam", "adamw", "adamax", "rmsprop")),
]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("changes", OPTIMIZERS, ids=str)
def test_captured_steps_are_the_eager_ones(changes: dict[str, object]) -> None:
    check_equal(after(2, CUDA, True, **changes), after(2, CUDA, False, **changes))


@pytest.mark.usefixtures("float64")
def test_stacked_runs_on_the_gpu_follow_the_runs_alone_on_the_cpu() -> None:
    check_equal(after(3, CUDA, True, ema=0.9), after(3, torch.device("cpu"), False, ema=0.9))


def test_a_captured_step_waits_for_nothing() -> None:
    data, recipe = small_data(), small_recipe()
    state = TrainingState(small_spec(), recipe, 0, (16, 16), CUDA)
    streams: dict[str, Any] = {word: [state.streams[word]] for word in ("order", "augment")}
    batches = TrainBatches(data.train, data, 24, CUDA, **streams)
    steps = Steps(Stack(small_spec().layers((16, 16)), [state]), batches)
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


class Stopping(SilentProgress):
    def epoch(self, curves: Curves) -> None:
        if len(curves) == 2:
            raise StoppedError


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "adamax", "rmsprop"])
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


@pytest.mark.parametrize("name", ["fusenet", "mobilenet_v3_small", "resnet20"])
def test_the_peak_of_a_step_is_what_was_predicted(name: str) -> None:
    """Within 10 %: what the allocator handed out; the library's workspaces are not foreseen."""
    spec, recipe = load_spec(name), load_recipe("standard")
    predicted = training_memory(spec, SIZE, 128, "sgd").total
    state = TrainingState(spec, recipe, 0, SIZE, CUDA)
    images = torch.randn(128, 3, *SIZE, device=CUDA).to(memory_format=torch.channels_last)
    labels = torch.zeros(128, dtype=torch.int64, device=CUDA)
    before = torch.cuda.memory_allocated() - sum(
        tensor.nbytes for tensor in (*state.network.state_dict().values(), images)
    )
    for _ in range(2):  # the first makes the optimizer's state
        state.optimizer.zero_grad()
        torch.cuda.reset_peak_memory_stats()
        loss = nn.functional.cross_entropy(state.network(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        state.optimizer.step()
    peak = torch.cuda.max_memory_allocated() - before
    assert peak == pytest.approx(predicted, rel=0.1)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="fewer than two CUDA devices")
def test_a_run_on_the_second_gpu_leaves_the_first_alone(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys, torch; from fuseablate.engines import worker;"
        "from tests.helpers.engine_contract import small_job; from pathlib import Path;"
        "orders = type('O', (), {'is_to_stop': lambda self, number: False})();"
        "progress = worker.ParentProgress(lambda message: None, 1, orders);"
        "worker.train_job(small_job(Path(sys.argv[1]), 0), 'cuda:1', progress);"
        "worker.free_memory('cuda:1');"
        "sys.exit(torch.cuda.memory_reserved(0) > 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == 0


def test_weights_of_the_gpu_load_on_the_cpu(tmp_path: Path) -> None:
    record = train(small_spec(), small_recipe(epochs=1), small_data(), 0, store=Store(tmp_path),
                   device="cuda", progress=SilentProgress())  # fmt: skip
    content = (Store(tmp_path).folder(record.digest) / "weights.pt").read_bytes()
    weights = torch.load(io.BytesIO(content), weights_only=True)
    assert {tensor.device.type for tensor in weights.values()} == {"cpu"}
