"""The engine of this machine: the contract, worker processes that die or stop, its end."""

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
from typing import Any

import pytest

from fuseablate.engines import Engine, Job, process
from fuseablate.engines.local import LocalEngine
from fuseablate.engines.workers import Workers
from tests.helpers.engine_contract import (
    SECONDS,
    EngineContract,
    events_until,
    kinds,
    until,
    until_ended,
)
from tests.helpers.paths import REPOSITORY
from tests.helpers.processes import alive, reads_proc
from tests.helpers.trained_by import trained_by


def on(*devices: str, each: int = 1) -> Workers:
    return Workers(devices, each, threads=1)


class LocalBench:
    killed = "SIGKILL"

    def __init__(self, trained_by: dict[str, int]) -> None:
        self.trained_by = trained_by

    def start(self, workers: int, retries: int = 2) -> Engine:
        return LocalEngine(on("cpu", each=workers), retries=retries, held_seconds=0.2)


@pytest.fixture(scope="module")
def bench() -> Iterator[LocalBench]:
    with trained_by(process.WorkerProcess) as pids:
        yield LocalBench(pids)


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
        self, bench: LocalBench, tmp_path: Path, device: str, survives: bool
    ) -> None:
        with closing(LocalEngine(on(device))) as engine:
            broken = [["tell", "broken", {"text": "x"}]]
            engine.submit(scripted_job(tmp_path, "a", broken, [["wait"], ["tell", "stopped"]]))
            before = bench.trained_by["a"]
            until(engine, "retried", "a")
            assert (bench.trained_by["a"] == before) is survives
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
        going_on = ["tell", "started", {"done": 1}]
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

    def test_a_worker_that_dies_idle_is_replaced_in_silence(
        self, bench: LocalBench, tmp_path: Path
    ) -> None:
        with closing(LocalEngine(on("cpu"))) as engine:
            engine.submit(scripted_job(tmp_path, "a", FINISHED))
            until_ended(engine, "a")
            dead = bench.trained_by["a"]
            os.kill(dead, signal.SIGKILL)
            deadline = time.monotonic() + SECONDS
            while alive(dead) and time.monotonic() < deadline:
                assert engine.poll(0.1) == []
            assert engine.poll(0.1) == []  # which hears of its end
            engine.submit(scripted_job(tmp_path, "b", FINISHED))
            assert kinds(until_ended(engine, "b"), "b") == ["finished"]
            assert bench.trained_by["b"] != dead


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
def test_close_leaves_no_process_and_no_open_file(
    bench: LocalBench, tmp_path: Path, scripted: None
) -> None:
    descriptors = set(Path("/proc/self/fd").iterdir())
    engine = LocalEngine(on("cpu", each=2))
    for key in "ab":
        engine.submit(scripted_job(tmp_path, key, [epochs(1), ["wait"]]))
    events_until(engine, lambda events: len(events) == 2)
    pids = [bench.trained_by[key] for key in "ab"]
    os.kill(pids[0], signal.SIGSTOP)  # one that does not listen
    engine.close()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert set(Path("/proc/self/fd").iterdir()) == descriptors
    with pytest.raises(ValueError, match="closed"):
        engine.submit(scripted_job(tmp_path, "c"))


def test_ctrl_c_is_the_parents_alone(bench: LocalBench, tmp_path: Path, scripted: None) -> None:
    with closing(LocalEngine(on("cpu"))) as engine:
        waits = [epochs(1), ["wait"], ["tell", "stopped"]]
        engine.submit(scripted_job(tmp_path, "a", waits))
        until(engine, "epoch", "a")
        os.kill(bench.trained_by["a"], signal.SIGINT)
        assert engine.poll(0.3) == []
        engine.stop("a")
        assert until_ended(engine, "a")[-1].kind == "stopped"


PARENT = """
    import os, sys, time
    from pathlib import Path
    from fuseablate.engines.local import LocalEngine
    from fuseablate.engines.workers import Workers
    from tests.helpers.engine_contract import small_job
    from tests.helpers.processes import children_of

    if __name__ == "__main__":
        engine = LocalEngine(Workers(("cpu",), 2, 1))
        engine.submit(small_job(Path(sys.argv[1]), 0, epochs=1000))
        while not any(event.kind == "epoch" for event in engine.poll(1)):
            pass
        # The second worker is still importing torch when the parent dies.
        engine.submit(small_job(Path(sys.argv[1]), 1, epochs=1000))
        workers = children_of(os.getpid())
        # A child that holds all pipes open must not keep the workers alive.
        keeper = os.fork()
        if not keeper:
            time.sleep(600)
        print(*workers, keeper, flush=True)
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
