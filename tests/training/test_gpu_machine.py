"""What only a GPU itself can show: precision, kernels, memory, contexts; `pytest -m gpu`."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from fuseablate.cost import training_memory
from fuseablate.engines.local import LocalEngine
from fuseablate.engines.process import WorkerProcess
from fuseablate.engines.workers import Workers, stacking_workers
from fuseablate.recipes.load import load_recipe
from fuseablate.spec.catalog import load_spec
from fuseablate.streams import stream
from fuseablate.training.environment import precision_set
from fuseablate.training.stack import Stack
from fuseablate.training.state import TrainingState
from tests.helpers.engine_contract import small_job, until, until_ended
from tests.helpers.trained_by import trained_by

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    pytest.mark.filterwarnings("default"),  # what CUDA's libraries say is shown, and stops no test
]
CUDA = torch.device("cuda:0")
SIZE = (32, 32)


@pytest.fixture(autouse=True)
def _precise() -> Iterator[None]:
    with precision_set("float32"):
        yield


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
    with profile(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU], acc_events=True) as seen:
        step()
        torch.cuda.synchronize()
    kernels = [event for event in seen.events() or () if event.device_type.name == "CUDA"]
    assert 0 < len(kernels) <= MOST_KERNELS


@pytest.mark.parametrize("name", ["fusenet", "mobilenet_v3_small", "resnet20"])
def test_the_peak_of_a_step_is_what_was_predicted(name: str) -> None:
    """Within 10 %: what the allocator handed out; workspaces that stay are no step's."""
    spec, recipe = load_spec(name), load_recipe("standard")
    predicted = training_memory(spec, SIZE, 128, "sgd").total
    state = TrainingState(spec, recipe, 0, SIZE, CUDA)
    images = torch.randn(128, 3, *SIZE, device=CUDA).to(memory_format=torch.channels_last)
    labels = torch.zeros(128, dtype=torch.int64, device=CUDA)

    def step() -> None:
        loss = nn.functional.cross_entropy(state.network(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        state.optimizer.step()
        state.optimizer.zero_grad()

    step()  # makes the optimizer's state, and what the libraries keep
    mine = [images, *state.network.state_dict().values()]
    mine += [tensor for kept in state.optimizer.state.values() for tensor in kept.values()]
    others = torch.cuda.memory_allocated() - sum(tensor.nbytes for tensor in mine)
    torch.cuda.reset_peak_memory_stats()
    step()
    assert torch.cuda.max_memory_allocated() - others == pytest.approx(predicted, rel=0.1)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="fewer than two CUDA devices")
def test_a_run_on_the_second_gpu_leaves_the_first_alone(tmp_path: Path) -> None:
    code = (
        "import sys, torch; from fuseablate.engines import worker;"
        "from tests.helpers.engine_contract import small_job; from pathlib import Path;"
        "from tests.training.test_gpu_machine import has_context;"
        "orders = type('O', (), {'is_to_stop': lambda self, number: False})();"
        "progress = worker.ParentProgress(lambda message: None, 1, orders);"
        "worker.train_job(small_job(Path(sys.argv[1]), 0), 'cuda:1', progress);"
        "worker.free_memory('cuda:1');"
        "sys.exit(has_context(0) or not has_context(1))"
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
        with trained_by(WorkerProcess) as pids:
            engine.submit(job)
        until(engine, "epoch", job.key)
        during, _ = torch.cuda.mem_get_info(CUDA)
        os.kill(pids[job.key], signal.SIGKILL)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and torch.cuda.mem_get_info(CUDA)[0] < before - 2**26:
            time.sleep(0.1)
    finally:
        engine.close()
    assert during < before - 2**26
    assert torch.cuda.mem_get_info(CUDA)[0] >= before - 2**26
