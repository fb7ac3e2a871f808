from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from fuseablate.engines import Engine, Job, process, worker
from fuseablate.engines.local import LocalEngine
from fuseablate.engines.workers import Workers, choose_workers, gpu_numbers
from fuseablate.errors import InputError
from fuseablate.io.cores import usable_cores
from tests.helpers.engine_contract import (
    SECONDS,
    EngineContract,
    events_until,
    kinds,
    small_job,
    until,
    until_ended,
)
from tests.helpers.paths import REPOSITORY
from tests.helpers.processes import alive, reads_proc


def on(*devices: str, each: int = 1) -> Workers:
    return Workers(devices, each, threads=1)


class LocalBench:
    killed = "SIGKILL"

    def start(self, workers: int, retries: int = 2) -> Engine:
        return LocalEngine(on("cpu", each=workers), retries=retries, held_seconds=0.2)

    def kill(self, engine: Engine, worker: str) -> None:
        os.kill(cast("LocalEngine", engine).pids[worker], signal.SIGKILL)

    def workers(self, engine: Engine) -> list[str]:
        return list(cast("LocalEngine", engine).pids)


@pytest.fixture(scope="module")
def bench() -> LocalBench:
    return LocalBench()


@pytest.fixture(scope="module")
def engine(bench: LocalBench) -> Iterator[Engine]:
    engine = bench.start(workers=2)
    yield engine
    engine.close()


class TestContract(EngineContract):
    """The contract, kept by the local engine."""


# The parent's side, with workers that follow a script and need no torch.


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MODULE", "tests.helpers.scripted_worker")


def scripted_job(runs: Path, key: str, *tries: list[Any]) -> Job:
    return Job(key, {"tries": tries}, {}, {}, seed=0, runs=str(runs), threads=1)


@contextmanager
def closing(engine: LocalEngine) -> Iterator[LocalEngine]:
    try:
        yield engine
    finally:
        engine.close()


def epochs(count: int) -> list[Any]:
    return ["tell", "epoch", {"curves": {"lr": [0.1] * count}}]


FINISHED = [["tell", "finished"]]


@pytest.mark.usefixtures("scripted")
class TestTries:
    @pytest.mark.parametrize(
        ("step", "text"),
        [
            (["exit", 3], "the worker ended with exit code 3"),
            (["signal", signal.SIGSEGV], "the worker was killed by SIGSEGV"),
            (
                ["signal", signal.SIGKILL],
                "the worker was killed by SIGKILL, perhaps for want of memory",
            ),
            (["tell", "broken", {"text": "RuntimeError: x"}], "RuntimeError: x"),
        ],
    )
    def test_a_broken_try_is_told_and_followed_by_another(
        self, tmp_path: Path, step: list[Any], text: str
    ) -> None:
        with closing(LocalEngine(on("cpu"), log=tmp_path / "log")) as engine:
            engine.submit(scripted_job(tmp_path, "a", [step], FINISHED))
            events = until_ended(engine, "a")
        assert [(event.kind, event.text) for event in events] == [
            ("retried", text),
            ("finished", ""),
        ]

    @pytest.mark.parametrize(("device", "survives"), [("cpu", True), ("cuda:0", False)])
    def test_an_error_ends_a_worker_on_a_gpu_alone(
        self, tmp_path: Path, device: str, survives: bool
    ) -> None:
        with closing(LocalEngine(on(device))) as engine:
            broken = [["tell", "broken", {"text": "x"}]]
            engine.submit(scripted_job(tmp_path, "a", broken, [["wait"], ["tell", "stopped"]]))
            before = engine.pids
            until(engine, "retried", "a")
            assert (engine.pids == before) is survives
            engine.stop("a")
            until_ended(engine, "a")

    def test_retries_count_tries_in_a_row_without_a_checkpoint(self, tmp_path: Path) -> None:
        die = ["tell", "broken", {"text": "x"}]
        # Two tries without a checkpoint, one with, and again two without: none is one too many.
        tries = [[die], [die], [epochs(1), die], [die], [die], FINISHED]
        with closing(LocalEngine(on("cpu"), retries=2)) as engine:
            engine.submit(scripted_job(tmp_path, "a", *tries))
            seen = kinds(until_ended(engine, "a"), "a")
        assert seen == [*["retried"] * 2, "epoch", *["retried"] * 3, "finished"]

    def test_an_epoch_that_is_trained_again_is_no_new_checkpoint(self, tmp_path: Path) -> None:
        die = ["tell", "broken", {"text": "x"}]
        going_on = ["tell", "started", {"done": 1, "epochs": 3}]
        tries = [[epochs(2), die], [going_on, epochs(2), die], [going_on, epochs(2), die]]
        with closing(LocalEngine(on("cpu"), retries=1)) as engine:
            engine.submit(scripted_job(tmp_path, "a", *tries))
            *_, last = until_ended(engine, "a")
        assert (last.kind, last.text) == (
            "lost",
            "given up after 2 tries that reached no new checkpoint; the last one: x",
        )

    def test_no_retries_means_one_try(self, tmp_path: Path) -> None:
        with closing(LocalEngine(on("cpu"), retries=0)) as engine:
            engine.submit(scripted_job(tmp_path, "a", [["exit", 1]]))
            (event,) = until_ended(engine, "a")
        assert event.kind == "lost"
        assert "given up after 1 try " in event.text

    def test_a_run_that_is_to_stop_is_not_tried_again(self, tmp_path: Path) -> None:
        with closing(LocalEngine(on("cpu"))) as engine:
            engine.submit(scripted_job(tmp_path, "a", [epochs(1), ["wait"], ["exit", 1]]))
            until(engine, "epoch", "a")
            engine.stop("a")
            (event,) = until_ended(engine, "a")
        assert event.kind == "stopped"

    def test_prints_do_not_disturb_the_messages(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        with closing(LocalEngine(on("cpu"), log=log)) as engine:
            engine.submit(scripted_job(tmp_path, "a", [["print", "on out", "on err"], *FINISHED]))
            (event,) = until_ended(engine, "a")
        assert event.kind == "finished"
        assert log.read_text().splitlines() == ["on out", "on err"]

    def test_a_worker_that_dies_idle_is_replaced_in_silence(self, tmp_path: Path) -> None:
        with closing(LocalEngine(on("cpu"))) as engine:
            engine.submit(scripted_job(tmp_path, "a", FINISHED))
            until_ended(engine, "a")
            os.kill(engine.pids["cpu/0"], signal.SIGKILL)
            deadline = time.monotonic() + SECONDS
            while engine.pids and time.monotonic() < deadline:
                assert engine.poll(0.1) == []
            engine.submit(scripted_job(tmp_path, "b", FINISHED))
            assert kinds(until_ended(engine, "b"), "b") == ["finished"]


@pytest.mark.usefixtures("scripted")
class TestSharedGpu:
    def test_out_of_memory_lets_fewer_share(self, tmp_path: Path) -> None:
        full = ["tell", "memory", {"text": "OutOfMemoryError: x"}]
        with closing(LocalEngine(on("cuda:0", "cuda:1", each=3), retries=0)) as engine:
            assert engine.free == 6
            for key in "abcdef":
                tries = [[full], FINISHED] if key == "c" else [FINISHED]
                engine.submit(scripted_job(tmp_path, key, *tries))
            events = until_ended(engine, *"abcdef")
            assert engine.free == 5
        told = [(event.kind, event.worker, event.text) for event in events if event.key == "c"]
        assert told[:2] == [
            (
                "said",
                "cuda:0/1",
                "cuda:0: out of memory with 3 runs at a time; from now on 2 runs at a time",
            ),
            ("retried", "cuda:0/1", "OutOfMemoryError: x"),
        ]
        assert told[2][0] == "finished"

    def test_a_run_alone_on_its_gpu_has_its_tries(self, tmp_path: Path) -> None:
        full = [["tell", "memory", {"text": "OutOfMemoryError: x"}]]
        with closing(LocalEngine(on("cuda:0", each=2), retries=1)) as engine:
            engine.submit(scripted_job(tmp_path, "a", full, full, full))
            events = until_ended(engine, "a")
            assert engine.free == 1
        assert kinds(events, "a") == ["said", "retried", "retried", "lost"]
        assert events[0].text.endswith("from now on 1 run at a time")


def test_events_do_not_depend_on_how_the_bytes_arrive(
    tmp_path: Path, scripted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_PIECE", 3)
    with closing(LocalEngine(on("cpu"))) as engine:
        engine.submit(scripted_job(tmp_path, "a", [epochs(1), epochs(2), *FINISHED]))
        assert kinds(until_ended(engine, "a"), "a") == ["epoch", "epoch", "finished"]


@reads_proc
def test_close_leaves_no_process_and_no_open_file(tmp_path: Path, scripted: None) -> None:
    descriptors = set(Path("/proc/self/fd").iterdir())
    engine = LocalEngine(on("cpu", each=2))
    for key in "ab":
        engine.submit(scripted_job(tmp_path, key, [epochs(1), ["wait"]]))
    events_until(engine, lambda events: len(events) == 2)
    pids = engine.pids.values()
    os.kill(next(iter(pids)), signal.SIGSTOP)  # one that does not listen
    engine.close()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert set(Path("/proc/self/fd").iterdir()) == descriptors
    with pytest.raises(ValueError, match="closed"):
        engine.submit(scripted_job(tmp_path, "c"))


def test_ctrl_c_is_the_parents_alone(tmp_path: Path, scripted: None) -> None:
    with closing(LocalEngine(on("cpu"))) as engine:
        waits = [epochs(1), ["wait"], ["tell", "stopped"]]
        engine.submit(scripted_job(tmp_path, "a", waits))
        until(engine, "epoch", "a")
        os.kill(engine.pids["cpu/0"], signal.SIGINT)
        assert engine.poll(0.3) == []
        engine.stop("a")
        assert until_ended(engine, "a")[-1].kind == "stopped"


PARENT = """
    import os, sys, time
    from pathlib import Path
    from fuseablate.engines.local import LocalEngine
    from fuseablate.engines.workers import Workers
    from tests.helpers.engine_contract import small_job

    if __name__ == "__main__":
        engine = LocalEngine(Workers(("cpu",), 2, 1))
        engine.submit(small_job(Path(sys.argv[1]), 0, epochs=1000))
        while not any(event.kind == "epoch" for event in engine.poll(1)):
            pass
        # The second worker is still importing torch when the parent dies.
        engine.submit(small_job(Path(sys.argv[1]), 1, epochs=1000))
        # A child that holds all pipes open must not keep the workers alive.
        keeper = os.fork()
        if not keeper:
            time.sleep(600)
        print(*engine.pids.values(), keeper, flush=True)
        time.sleep(600)
"""


@reads_proc
def test_workers_end_with_a_killed_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(textwrap.dedent(PARENT))
    command = [sys.executable, str(script), str(tmp_path / "runs")]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout
        *workers, keeper = map(int, parent.stdout.readline().split())
        assert len(workers) == 2
        parent.kill()
        deadline = time.monotonic() + SECONDS
        while any(alive(pid) for pid in workers) and time.monotonic() < deadline:
            time.sleep(0.02)
        left = [pid for pid in workers if alive(pid)]
        os.kill(keeper, signal.SIGKILL)
    assert left == []


# The worker's side, in this process.


class StopOf:
    """Orders that one run is to stop."""

    def __init__(self, number: int) -> None:
        self._number = number

    def is_to_stop(self, number: int) -> bool:
        return number == self._number


class Parent:
    """What a worker's messages are written to."""

    def __init__(self, stop: int = 0) -> None:
        self.heard: list[dict[str, Any]] = []
        self.progress = worker.ParentProgress(self.heard.append, 1, StopOf(stop))


@pytest.mark.parametrize(
    ("error", "device", "kind"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried"), "cuda:0", "memory"),
        (RuntimeError("CUDA error: out of memory"), "cuda:1", "memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when"), "cuda:0", "memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when"), "cuda:0", "memory"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"), "cuda:0", "memory"),
        (RuntimeError("CUDA error: an illegal memory access"), "cuda:0", "broken"),
        (RuntimeError("DefaultCPUAllocator: not enough memory: out of memory"), "cpu", "broken"),
        (MemoryError(), "cpu", "broken"),
        (OSError("out of\nmemory"), "cuda:0", "broken"),
        (InputError("a: bad"), "cpu", "refused"),
    ],
)
def test_what_a_worker_tells_of_an_error(
    error: Exception, device: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*of_a_job: object) -> None:
        raise error

    monkeypatch.setattr(worker, "_train", fail)
    parent = Parent()
    worker.train_job(small_job(tmp_path, 0), device, parent.progress)
    (message,) = parent.heard
    assert message["kind"] == kind
    assert str(error).split()[-1:] == message["text"].split()[-1:] or not str(error)
    assert "\n" not in message["text"]


def test_a_worker_of_a_gpu_leaves_the_first_one_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    monkeypatch.setattr(torch.cuda, "set_device", calls.append)
    for name in ("cpu", "mps", "cuda:1"):
        worker.take_device(name)
    assert calls == [torch.device("cuda:1")]


@pytest.mark.parametrize(("stop", "last"), [(1, "stopped"), (2, "finished")])
def test_a_worker_heeds_the_stop_of_its_own_run(tmp_path: Path, stop: int, last: str) -> None:
    parent = Parent(stop)
    threads = torch.get_num_threads()
    worker.train_job(small_job(tmp_path, 0, epochs=2), "cpu", parent.progress)
    torch.set_num_threads(threads)
    kinds = [message["kind"] for message in parent.heard]
    assert kinds == ["started", *["epoch"] * (1 if stop == 1 else 2), last]


def test_the_parents_side_does_not_import_torch() -> None:
    modules = ", ".join(f"fuseablate.engines.{name}" for name in ("local", "workers", "worker"))
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0


# The plan.


def no_gpu() -> int:
    return 0


def test_by_default_each_core_has_a_worker() -> None:
    assert choose_workers(cores=6, count_gpus=no_gpu) == Workers(("cpu",), 6, 1)
    assert choose_workers(count_gpus=no_gpu).count == usable_cores()


@pytest.mark.parametrize("workers", [1, 2, 3, 5, 8])
def test_the_threads_of_a_run_do_not_follow_from_the_workers(workers: int) -> None:
    assert choose_workers(workers, cores=8) == Workers(("cpu",), workers, 1)


@pytest.mark.parametrize(("threads", "workers"), [(1, 8), (2, 4), (3, 2), (5, 1), (8, 1), (9, 1)])
def test_as_many_workers_as_the_cores_can_serve(threads: int, workers: int) -> None:
    chosen = choose_workers(threads=threads, cores=8, count_gpus=no_gpu)
    assert chosen == Workers(("cpu",), workers, threads)


def test_a_study_takes_the_devices_that_train_takes() -> None:
    chosen = choose_workers(cores=8, count_gpus=no_gpu, has_mps=lambda: True)
    assert chosen == Workers(("mps",), 1, 1)
    chosen = choose_workers(cores=8, count_gpus=lambda: 1, has_mps=lambda: True)
    assert chosen == Workers(("cuda:0",), 1, 1)
    assert choose_workers(2, cores=8, has_mps=lambda: True) == Workers(("cpu",), 2, 1)


def test_gpus_are_shared() -> None:
    assert choose_workers(cores=16, count_gpus=lambda: 2) == Workers(("cuda:0", "cuda:1"), 1, 1)
    plan = choose_workers(gpus=(1,), per_gpu=3, threads=4, cores=16, count_gpus=lambda: 2)
    assert plan == Workers(("cuda:1",), 3, 4)
    plan = choose_workers(per_gpu=4, cores=2, count_gpus=lambda: 2)
    assert plan == Workers(("cuda:0", "cuda:1"), 4, 1)
    assert plan.count == 8


@pytest.mark.parametrize(
    ("flags", "gpus", "message"),
    [
        (
            {"workers": 5},
            0,
            "--workers 5: must be from 1 to 4: there are 4 usable CPU cores, and each needs one "
            "(nearest: 4)",
        ),
        (
            {"workers": 0},
            0,
            "--workers 0: must be from 1 to 4: there are 4 usable CPU cores, and each needs one "
            "(nearest: 1)",
        ),
        (
            {"workers": 3, "threads": 2},
            0,
            "--workers 3: must be from 1 to 2: there are 4 usable CPU cores, and each needs 2, "
            "for its threads (nearest: 2)",
        ),
        (
            {"workers": 2, "gpus": (0,)},
            1,
            "--workers 2: is for the CPU; with GPUs use --per-gpu, or leave it out",
        ),
        ({"gpus": (0, 2)}, 2, "--gpus 0,2: GPU 2 is not available (CUDA devices: 0 to 1)"),
        ({"gpus": (1,)}, 1, "--gpus 1: GPU 1 is not available (CUDA devices: 0)"),
        ({"per_gpu": 2}, 0, "--per-gpu: GPU 0 is not available (CUDA devices: none)"),
        ({"per_gpu": 0}, 1, "--per-gpu 0: must be at least 1"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(flags: dict[str, Any], gpus: int, message: str) -> None:
    with pytest.raises(InputError) as caught:
        choose_workers(**flags, cores=4, count_gpus=lambda: gpus)
    assert str(caught.value) == message


def test_gpu_numbers() -> None:
    assert gpu_numbers("0,1") == (0, 1)
    for text in ("", "0,", "a", "-1", "0 1"):
        with pytest.raises(InputError, match="must be the numbers of GPUs"):
            gpu_numbers(text)
    with pytest.raises(InputError, match="names a GPU twice"):
        gpu_numbers("1,1")


@pytest.mark.parametrize("threads", [0, -1])
def test_a_run_has_a_thread_at_least(threads: int) -> None:
    with pytest.raises(InputError, match=rf"threads = {threads}: must be at least 1"):
        choose_workers(threads=threads)
