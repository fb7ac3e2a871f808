"""What only a CUDA device can show; `python -m pytest -m gpu` in one command."""

from __future__ import annotations

import ctypes
import io
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from fuseablate.cost import training_memory
from fuseablate.data.batches import TrainBatches
from fuseablate.engines import worker
from fuseablate.engines.local import LocalEngine
from fuseablate.engines.workers import Workers, stacking_workers
from fuseablate.network.builder import build, initialise, to_module
from fuseablate.network.stacking import stacked
from fuseablate.ops import OPS, Settings
from fuseablate.recipes.load import load_recipe
from fuseablate.recipes.schedules import Cosine
from fuseablate.runs.record import Curves, Record
from fuseablate.runs.store import RunFolder, Store
from fuseablate.spec.catalog import load_spec
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
from fuseablate.training.stack import Stack
from fuseablate.training.state import TrainingState
from fuseablate.training.steps import Steps
from tests.helpers.engine_contract import small_job, until, until_ended
from tests.helpers.noise import BATCH, CLASSES, Noise
from tests.helpers.op_rows import NEEDED
from tests.helpers.small_run import small_data, small_recipe, small_spec

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
CUDA, CPU = torch.device("cuda:0"), torch.device("cpu")
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


FUSENET = ("fusenet", "fuse.residual=true", "drop_path=0.2")
GOOGLENET = ("googlenet",)  # with auxiliary heads


def after(
    runs: int,
    place: torch.device,
    capture: bool,
    changes: dict[str, object],
    table: tuple[str, ...] = FUSENET,
) -> list[TrainingState]:
    """Return the states of runs after two epochs of eight steps."""
    name, *edits = table
    spec = load_spec(name).edit(f"classes={CLASSES}", *edits)
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
    check_equal(after(2, CUDA, True, changes), after(2, CUDA, False, changes))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("table", [FUSENET, GOOGLENET], ids=lambda table: table[0])
def test_stacked_runs_on_the_gpu_are_those_of_the_cpu(table: tuple[str, ...]) -> None:
    changes: dict[str, object] = {"ema": 0.9, "lr": 1e-3}
    check_equal(after(3, CUDA, True, changes, table), after(3, CPU, False, changes, table))


@pytest.mark.parametrize(("precision", "is_rounded"), [("float32", False), ("tf32", True)])
def test_float32_is_rounded_to_tf32_where_that_is_asked_for(
    precision: str, is_rounded: bool
) -> None:
    """TF32 keeps 10 bits of a product's factors, float32 has 23."""
    if torch.cuda.get_device_capability(CUDA) < (8, 0):
        pytest.skip("this device has no TF32")
    numbers = stream(0, "tf32")
    a, b = (torch.randn(256, 256, generator=numbers) for _ in range(2))
    images, kernels = (torch.randn(shape, generator=numbers)
                       for shape in ((4, 64, 16, 16), (64, 64, 3, 3)))  # fmt: skip
    with precision_set(precision):
        ours = (a.to(CUDA) @ b.to(CUDA), nn.functional.conv2d(images.to(CUDA), kernels.to(CUDA)))
    exact = (a.double() @ b.double(), nn.functional.conv2d(images.double(), kernels.double()))
    for mine, right in zip(ours, exact, strict=True):
        error = (mine.cpu().double() - right).norm() / right.norm()
        assert (error > 1e-5).item() is is_rounded


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


MOST_KERNELS = 900  # of an eager step of the baseline; a reading of its operators expects 700


def test_a_step_takes_no_more_kernels_than_it_was_read_to() -> None:
    state = TrainingState(load_spec("fusenet"), load_recipe("standard"), 0,
                          SIZE, CUDA)  # fmt: skip
    stack = Stack(load_spec("fusenet").layers(SIZE), [state])
    images = torch.randn(128, 3, *SIZE, device=CUDA).to(memory_format=torch.channels_last)
    labels = torch.zeros(128, dtype=torch.int64, device=CUDA)

    def step() -> None:
        (((_, logits),),) = stack.logits([images])
        stack.backward([nn.functional.cross_entropy(logits, labels)])
        state.optimizer.step()

    step()
    with profile(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as seen:
        step()
        torch.cuda.synchronize()
    kernels = [event for event in seen.events() or () if event.device_type.name == "CUDA"]
    assert 0 < len(kernels) <= MOST_KERNELS


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


def has_context(device: int = 0) -> bool:
    """Whether this process has a context on a device, which takes some 500 MB there."""
    library = ctypes.CDLL("libcuda.so.1")
    assert library.cuInit(0) == 0
    flags, active = ctypes.c_uint(), ctypes.c_int()
    assert (
        library.cuDevicePrimaryCtxGetState(device, ctypes.byref(flags), ctypes.byref(active)) == 0
    )
    return bool(active.value)


def study_in_a_process(root: Path) -> bool:
    """Train a run by an engine with stacks; return whether the parent then has a context."""
    workers = stacking_workers(Workers(("cuda:0",), 1, threads=1), None)
    engine = LocalEngine(workers, retries=0, log=root / "log")
    try:
        engine.submit(small_job(root, 0))
        until_ended(engine, small_job(root, 0).key)
    finally:
        engine.close()
    return has_context()


def test_the_parent_of_workers_has_no_context(tmp_path: Path) -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        assert fresh.submit(study_in_a_process, tmp_path).result() is False


def test_a_killed_worker_frees_its_memory(tmp_path: Path) -> None:
    engine = LocalEngine(Workers(("cuda:0",), 1, threads=1), retries=0, log=tmp_path / "log")
    before, _ = torch.cuda.mem_get_info(CUDA)
    try:
        job = small_job(tmp_path, 0, epochs=1000)
        engine.submit(job)
        until(engine, "epoch", job.key)
        during, _ = torch.cuda.mem_get_info(CUDA)
        (pid,) = engine.pids.values()
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and torch.cuda.mem_get_info(CUDA)[0] < before - 2**26:
            time.sleep(0.1)
    finally:
        engine.close()
    assert during < before - 2**26
    assert torch.cuda.mem_get_info(CUDA)[0] >= before - 2**26


def test_weights_of_the_gpu_load_on_the_cpu(tmp_path: Path) -> None:
    record = train(small_spec(), small_recipe(epochs=1), small_data(), 0, store=Store(tmp_path),
                   device="cuda", progress=SilentProgress())  # fmt: skip
    content = (Store(tmp_path).folder(record.digest) / "weights.pt").read_bytes()
    weights = torch.load(io.BytesIO(content), weights_only=True)
    assert {tensor.device.type for tensor in weights.values()} == {"cpu"}
