from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from typing import Any, cast

import pytest

from fuseablate.engines import Engine
from fuseablate.engines.cluster import RayEngine
from fuseablate.engines.cluster.workers import RayWorkers
from tests.helpers.engine_contract import EngineContract
from tests.helpers.ray_cluster import cluster

pytest.importorskip("ray")


class RayBench:
    killed = "was killed or crashed"

    def __init__(self, address: str) -> None:
        self.address = address

    def start(self, workers: int, retries: int = 2) -> Engine:
        asked = RayWorkers(
            ("cpu",), workers, 1, address=self.address, asked_for=workers, checkpoint_seconds=0
        )
        return RayEngine(asked, retries=retries, held_seconds=0.2)

    def kill(self, engine: Engine, worker: str) -> None:
        os.kill(cast("RayEngine", engine).pids[worker], signal.SIGKILL)

    def workers(self, engine: Engine) -> list[str]:
        return list(cast("RayEngine", engine).pids)


@pytest.fixture(scope="module")
def three_nodes() -> Iterator[Any]:
    with cluster({"num_cpus": 2}, {"num_cpus": 1}, {"num_cpus": 1}) as made:
        import ray

        ray.init(address=made.address, log_to_driver=False, logging_level=logging.CRITICAL)
        yield made
        ray.shutdown()


@pytest.fixture(scope="module")
def bench(three_nodes: Any) -> RayBench:
    return RayBench(three_nodes.address)


@pytest.fixture(scope="module")
def engine(bench: RayBench) -> Iterator[Engine]:
    engine = bench.start(workers=2)
    yield engine
    engine.close()


class TestContract(EngineContract):
    """The contract, kept by the engine of a Ray cluster."""
