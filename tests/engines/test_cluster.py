from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest

from fuseablate.engines import Asked, Engine, Event, Job, process
from fuseablate.engines.cluster import RayEngine, link, ray_workers
from fuseablate.engines.cluster.workers import RayWorkers
from fuseablate.plugins import files, load_plugin
from fuseablate.plugins.registry import remove
from fuseablate.runs.record import Record
from fuseablate.runs.store import Store
from fuseablate.runs.unfinished import newest_checkpoint
from fuseablate.spec import Spec
from tests.helpers.engine_contract import (
    DATA,
    EngineContract,
    assert_same_run,
    directly,
    events_until,
    kinds,
    small_job,
    until,
    until_ended,
)
from tests.helpers.ray_cluster import cluster
from tests.helpers.small_run import small_spec
from tests.helpers.trained_by import trained_by

pytest.importorskip("ray")


class RayBench:
    killed = "was killed or crashed"

    def __init__(self, address: str, trained_by: dict[str, int]) -> None:
        self.address, self.trained_by = address, trained_by

    def start(self, workers: int, retries: int = 2, threads: int = 1, **options: Any) -> Engine:
        asked = RayWorkers(
            ("cpu",),
            workers,
            threads,
            address=self.address,
            asked_for=workers,
            **{"checkpoint_seconds": 0, **options},
        )
        return RayEngine(asked, retries=retries, held_seconds=0.2)


@pytest.fixture(scope="module")
def three_nodes() -> Iterator[Any]:
    with cluster({"num_cpus": 1}, {"num_cpus": 1}, {"num_cpus": 1}) as made:
        import ray

        ray.init(address=made.address, log_to_driver=False, logging_level=logging.CRITICAL)
        yield made
        ray.shutdown()


@pytest.fixture(scope="module")
def bench(three_nodes: Any) -> Iterator[RayBench]:
    with trained_by(link.RayLink) as pids:
        yield RayBench(three_nodes.address, pids)


@pytest.fixture(scope="class")  # whose workers leave the nodes to the tests below
def engine(bench: RayBench) -> Iterator[Engine]:
    engine = bench.start(workers=2)
    yield engine
    engine.close()


class TestContract(EngineContract):
    """The contract, kept by the engine of a Ray cluster."""


@pytest.mark.slow
def test_the_run_of_a_lost_node_goes_on_elsewhere(
    three_nodes: Any, bench: RayBench, tmp_path: Path
) -> None:
    # Only these two nodes have room for workers of three threads: one each.
    lost, other = (three_nodes.add_node(num_cpus=3) for _ in range(2))
    engine = bench.start(workers=2, threads=3)
    try:
        jobs = [small_job(tmp_path / "engine", seed, epochs=60) for seed in range(2)]
        for job in jobs:
            engine.submit(job)
        keys = {job.key for job in jobs}

        def both_trained(events: list[Event]) -> bool:
            return {event.key for event in events if event.kind == "epoch"} >= keys

        events_until(engine, both_trained)
        three_nodes.remove_node(lost, allow_graceful=False)
        events = until_ended(engine, *keys)
    finally:
        engine.close()
        three_nodes.remove_node(other)
    (retried,) = [event for event in events if event.kind == "retried"]
    assert "its node" in retried.text
    started = [event for event in events if (event.kind, event.key) == ("started", retried.key)]
    assert started[-1].done
    seed = next(job.seed for job in jobs if job.key == retried.key)
    directly(tmp_path / "direct", seed, epochs=60)
    assert_same_run(tmp_path / "engine", tmp_path / "direct", retried.key)


def test_checkpoints_come_back_no_more_often_than_asked(bench: RayBench, tmp_path: Path) -> None:
    engine = bench.start(workers=1, checkpoint_seconds=600)
    job = small_job(tmp_path, 0, epochs=400)
    folder = Store(tmp_path).folder(job.key)
    engine.submit(job)
    events_until(engine, lambda events: kinds(events, job.key).count("epoch") == 3)
    assert sorted(path.name for path in folder.iterdir()) == ["lock", "run.json"]
    pid = bench.trained_by[job.key]
    (scratch,) = Path(tempfile.gettempdir()).glob(f"fuseablate-worker-{pid}-*")
    engine.close()  # which brings the last one
    checkpoint = newest_checkpoint(folder)
    assert checkpoint
    assert checkpoint.epochs >= 3
    assert not scratch.exists()


def test_silent_workers_are_waited_for_together(
    bench: RayBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "LEAVING_SECONDS", 0.5)
    monkeypatch.setattr(link, "LEAST_SECONDS", 20.0)
    engine = bench.start(workers=2)
    jobs = [small_job(tmp_path, seed, epochs=100_000) for seed in range(2)]
    for job in jobs:
        engine.submit(job)
    while not all(job.key in bench.trained_by for job in jobs):
        engine.poll(0.1)
    pids = [bench.trained_by[job.key] for job in jobs]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    engine.close()
    assert time.monotonic() - began < 15
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_a_run_store_that_all_nodes_reach_is_used_directly(bench: RayBench, tmp_path: Path) -> None:
    engine = bench.start(workers=1, checkpoint_seconds=600, shared_runs=True)
    job = small_job(tmp_path, 0)
    engine.submit(job)
    until(engine, "epoch", job.key)
    assert (Store(tmp_path).folder(job.key) / "checkpoint.pt").exists()
    until_ended(engine, job.key)
    engine.close()
    directly(tmp_path / "direct", 0)
    assert_same_run(tmp_path, tmp_path / "direct", job.key)


def test_a_teacher_travels_to_those_it_teaches(bench: RayBench, tmp_path: Path) -> None:
    here, there = tmp_path / "direct", tmp_path / "engine"
    older = directly(here, 0, epochs=1)
    shutil.copytree(here, there)
    teacher = {"run": older.digest[:16], "temperature": 3.0, "weight": 0.6}
    engine = bench.start(workers=1)
    jobs = [small_job(there, seed, epochs=2, teacher=teacher) for seed in (1, 2)]
    for job in jobs:
        engine.submit(job)
    events = until_ended(engine, *(job.key for job in jobs))
    engine.close()
    for job in jobs:
        assert kinds(events, job.key)[-1] == "finished"
        record = directly(here, job.seed, epochs=2, teacher=teacher)
        assert record.teacher
        assert_same_run(there, here, job.key)
        assert cast("Record", Store(there).get(job.key)).teacher == record.teacher
    assert {path.name for path in there.iterdir()} == {path.name for path in here.iterdir()}


def test_the_latency_of_an_op_of_ones_own_is_measured(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_LOADED", {})  # of this process, whose other tests go on without
    (tmp_path / "mine.py").write_text(
        "from fuseablate import register\n"
        "from fuseablate.ops.conv import ConvRow\n"
        "class Mine(ConvRow):\n"
        "    op = 'mine'\n"
        "register('ops', 'mine', Mine)\n"
    )
    load_plugin(tmp_path / "mine.py")
    try:
        table = small_spec().to_dict()
        row = next(row for row in table["rows"] if row["op"] == "conv")
        mine = {**table, "rows": [{**r, "op": "mine"} if r is row else r for r in table["rows"]]}
        (latency,) = engine.latencies([Spec.from_dict(mine)], (16, 16))
        assert latency > 0
    finally:
        remove("ops", "mine")


def test_runs_share_the_gpus_that_ray_gives_out(
    three_nodes: Any, bench: RayBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "MODULE", "tests.helpers.scripted_worker")
    node = three_nodes.add_node(num_cpus=0, num_gpus=1)
    asked = Asked(per_gpu=2, address=bench.address, shared_runs=True)
    workers = ray_workers(asked)
    assert (workers.count, workers.per_device) == (2, 2)
    engine = RayEngine(workers)
    try:
        assert engine.free == 2
        waits = [["tell", "started", {"done": 0}], ["wait"], ["tell", "stopped"]]
        for key in "abc":
            job = Job(key, {"tries": [waits]}, {}, DATA, seed=0, runs=str(tmp_path), threads=1)
            engine.submit(job)
        begun = events_until(engine, lambda events: len(events) == 2)
        assert engine.poll(0.5) == []  # the third finds no share free
        places = {event.worker.split("/", 1)[1] for event in begun}
        assert places == {"gpu0/0", "gpu0/1"}
        for key in "abc":
            engine.stop(key)
        until_ended(engine, *"abc")
    finally:
        engine.close()
        three_nodes.remove_node(node)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"gpus": (0, 1)}, "--gpus 0,1: with --engine ray it is Ray that gives out the GPUs"),
        ({"address": "here"}, "--address here: must be that of a cluster's head, such as 10.0.0.1"),
        ({"address": "127.0.0.1:1"}, "--address 127.0.0.1:1: nothing answers there"),
    ],
)
def test_workers_that_cannot_be_had(asked: dict[str, Any], message: str) -> None:
    code = (
        f"from fuseablate.engines import ENGINES, Asked\nENGINES['ray'].choose(Asked(**{asked!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert message in done.stderr.splitlines()[-1]


def test_ray_that_is_not_installed_is_named_with_its_extra() -> None:
    code = (
        "import sys; sys.modules['ray'] = None; from fuseablate.commands.program import main; "
        "sys.exit(main(['study', 'run', 'quickstart', '--engine', 'ray']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.endswith("needs ray, which is not installed: pip install 'fuseablate[ray]'")
