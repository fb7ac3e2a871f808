"""The engine of a Ray cluster. Ray places the workers; a node that is lost costs a try."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from fuseablate.engines import process
from fuseablate.engines.base import Job
from fuseablate.engines.cluster.actor import Needs, Trainer
from fuseablate.engines.cluster.connection import Connection
from fuseablate.engines.cluster.dataset import Shipment, bytes_of, shipped
from fuseablate.engines.cluster.link import RayLink
from fuseablate.engines.cluster.parcel import Parcel
from fuseablate.engines.cluster.workers import RayWorkers, devices_of
from fuseablate.engines.scheduler import Scheduler
from fuseablate.engines.worker import load_job_data
from fuseablate.engines.workers import Workers
from fuseablate.engines.workplace import Link
from fuseablate.errors import InputError
from fuseablate.io.reading import read_bytes
from fuseablate.runs import RECORD, WEIGHTS, Store, record_named
from fuseablate.spec import Size, Spec

LOOK_SECONDS = 2.0  # between two looks at the head and its nodes
GONE_SECONDS = 10.0  # after which a head that does not answer is gone
MOST_FAILURES = 3  # workers in a row that never came up
LARGE = 2**30  # bytes of data whose sending is worth a word
HANDED_ON = ("GOMP_SPINCOUNT",)  # of the environment, which the speed of torch depends on


class Cluster:
    """The workplace of actors on the nodes of a cluster."""

    def __init__(self, workers: RayWorkers, log: Path | None) -> None:
        self._workers, self._log = workers, log
        gpus = 0 if workers.devices == ("cpu",) else len(workers.devices)
        cpus = workers.cores if gpus else max(workers.cores, workers.per_device * workers.threads)
        self._connection = Connection(workers.address, cpus, gpus)
        import ray

        self._ray: Any = ray
        self._trainer = ray.remote(Trainer)
        self._devices: tuple[str, ...] = ()
        self._shipments: dict[str, Shipment] = {}
        self._teachers: dict[str, Any] = {}  # references to their parcels, by their digests
        self._links: list[RayLink] = []
        self._said: list[str] = []
        self._answered = self._looked = 0.0
        self._failures = 0
        if self._connection.ours:
            where = f"Ray: the cluster of {self._connection.head}"
            if workers.address is None and self._connection.alone:
                where = "Ray: a cluster on this machine, its ports on the loopback interface alone"
            elif workers.address is None:
                where += ", on this machine; its ports are open to the network"
            self._said.append(where)
        self._look()

    def devices(self) -> Sequence[str]:
        """Return a device for each worker that the nodes have room for now."""
        self._look()
        return self._devices

    def news(self) -> list[str]:
        """Return what the user should know since the last call."""
        said, self._said = self._said, []
        return said

    def _look(self) -> None:
        """See whether the head is there, and how much room its nodes have."""
        now = time.monotonic()
        if now < self._looked + LOOK_SECONDS:
            return
        self._looked = now
        if self._connection.answers():
            self._answered = time.monotonic()
            devices = devices_of(self._workers, self._connection.nodes())
            if self._devices and len(devices) != len(self._devices):
                self._said.append(f"Ray: the cluster now has room for {len(devices)} workers")
            self._devices = devices
        elif now > self._answered + GONE_SECONDS:
            raise self._gone()

    def _gone(self) -> InputError:
        return InputError(
            f"--engine ray: the cluster's head {self._connection.head} is gone; what is done "
            "is kept, and the same command goes on from there"
        )

    def _wait_for_head(self) -> None:
        """Wait until the head answers: Ray would wait for it much longer."""
        while not self._connection.answers():
            if time.monotonic() > self._answered + GONE_SECONDS:
                raise self._gone()
            time.sleep(0.5)
        self._answered = time.monotonic()

    def start(self, device: str) -> RayLink:
        """Have Ray start an actor where there is room for it."""
        self._wait_for_head()
        threads, sharing = self._workers.threads, self._workers.per_device
        share: dict[str, Any] = {"num_cpus": threads}
        if device != "cpu":  # a worker on a GPU does little on the CPU
            share = {"num_cpus": 0, "num_gpus": 1 / sharing}
        environment = {name: os.environ[name] for name in HANDED_ON if name in os.environ}
        actor = self._trainer.options(
            **share, max_concurrency=8, max_restarts=0, scheduling_strategy="SPREAD"
        ).remote(process.MODULE, "cpu" if device == "cpu" else "cuda:0", environment)
        link = RayLink(
            self._ray,
            actor,
            ship=self._ship,
            log=self._print,
            seconds=self._workers.checkpoint_seconds,
            shared=self._workers.shared_runs,
        )
        self._links.append(link)
        return link

    def wait(self, links: Sequence[Link], timeout: float) -> Sequence[Link]:
        """Return the actors with something to read."""
        actors = cast("Sequence[RayLink]", links)
        waiting = {link.waiting_for: link for link in actors if link.waiting_for is not None}
        readable = [link for link in actors if link.waiting_for is None]
        timeout = 0 if readable else min(timeout, LOOK_SECONDS)
        if waiting:
            answered, _ = self._ray.wait(list(waiting), timeout=timeout)
            if answered:  # and those that have answered beside the first
                answered, _ = self._ray.wait(list(waiting), num_returns=len(waiting), timeout=0)
            readable += [waiting[answer] for answer in answered]
        elif timeout:
            time.sleep(timeout)
        self._note_failures()
        return readable

    def _note_failures(self) -> None:
        """Raise an `InputError` where one worker after another does not come up."""
        for link in [link for link in self._links if link.ended]:
            self._links.remove(link)
            self._failures = 0 if link.pid else self._failures + 1
            if self._failures >= MOST_FAILURES:
                raise InputError(f"--engine ray: no worker comes up: {link.wait()}")

    def latencies(self, specs: Sequence[Spec], size: Size) -> list[float]:
        """Return the milliseconds of an image in each network, on the device of one worker."""
        link = next((link for link in self._links if link.ready and not link.ended), None)
        used = link or self.start(self._devices[0])
        try:
            return used.latencies([spec.to_dict() for spec in specs], size)
        finally:
            if link is None:
                used.wait()
                self._links.remove(used)

    def close(self) -> None:
        """Leave the cluster, or end it where it was started for this engine."""
        self._links, self._shipments, self._teachers = [], {}, {}
        self._connection.close()

    def _ship(self, job: Job) -> Needs:
        """Return where that lies which a job needs, which the nodes fetch once each."""
        return {"data": self._ship_data(job), "teacher": self._ship_teacher(job)}

    def _ship_data(self, job: Job) -> Shipment:
        key = json.dumps(job.data)
        if key not in self._shipments:
            data = load_job_data(job.data)
            if (size := bytes_of(data)) > LARGE:
                self._said.append(f"Ray: each node is sent {size / 2**30:.1f} GiB of images")
            self._shipments = {key: shipped(data, self._ray.put)}
        return self._shipments[key]

    def _ship_teacher(self, job: Job) -> tuple[str, Any] | None:
        teacher = job.recipe.get("teacher")
        if not teacher or self._workers.shared_runs:
            return None
        store = Store(Path(job.runs))
        digest = record_named(store, teacher["run"]).digest
        if digest not in self._teachers:
            folder = store.folder(digest)
            files = {name: read_bytes(folder / name) for name in (RECORD, WEIGHTS)}
            self._teachers[digest] = self._ray.put(Parcel(names=[*files], files=files))
        return digest, self._teachers[digest]

    def _print(self, text: str) -> None:
        if self._log is None:
            sys.stderr.write(text)
            return
        with self._log.open("a") as file:
            file.write(text)


class RayEngine(Scheduler):
    """An Engine that trains on the nodes of a Ray cluster."""

    def __init__(
        self,
        workers: Workers,
        *,
        retries: int = 2,
        log: Path | None = None,
        held_seconds: float = 3.0,
    ) -> None:
        """`workers` are `RayWorkers`."""
        assert isinstance(workers, RayWorkers)
        super().__init__(Cluster(workers, log), retries, held_seconds)
