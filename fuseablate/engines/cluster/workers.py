"""How many workers a Ray cluster has room for. Without torch, where an address is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fuseablate.engines.cluster.connection import Connection, imported
from fuseablate.engines.workers import Asked, Workers, choose_workers, most_workers
from fuseablate.errors import InputError

CHECKPOINT_SECONDS = 30.0


@dataclass(frozen=True)
class RayWorkers(Workers):
    """Workers on a cluster; its devices are `cpu`, or one `cuda:N` for each GPU there is now."""

    address: str | None = None
    """Of the cluster; None: one on this machine, started for the study."""
    asked_for: int | None = None
    """So many workers on CPUs, whatever room there is now; None: as many as there is room for."""
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    """Between two checkpoints that a run sends back, at the least."""
    shared_runs: bool = False
    """Whether workers write to the run store themselves, by the same path."""


def ray_workers(asked: Asked) -> RayWorkers:
    """Return the workers on a cluster that the flags ask for; see `choose_workers`.

    Ray says which GPU is whose: to name them is an InputError.
    """
    if asked.gpus is not None:
        numbers = ",".join(map(str, asked.gpus))
        raise InputError(
            f"--gpus {numbers}: with --engine ray it is Ray that gives out the GPUs; "
            "leave it out, or set CUDA_VISIBLE_DEVICES where a node is started"
        )
    if asked.stack is not None and asked.stack > 1:
        raise InputError(
            f"--stack {asked.stack}: runs are trained as one network on this machine alone; leave "
            "it out with --engine ray"
        )
    imported(alone=asked.address is None)
    seconds = asked.checkpoint_seconds
    options: dict[str, Any] = {
        "address": asked.address,
        "checkpoint_seconds": CHECKPOINT_SECONDS if seconds is None else seconds,
        "shared_runs": asked.shared_runs,
        "asked_for": asked.workers,
    }
    if asked.address is None:
        here = choose_workers(asked.workers, None, asked.per_gpu, asked.threads)
        return RayWorkers(here.devices, here.per_device, here.threads, here.cores, **options)
    if asked.workers is not None and asked.per_gpu is not None:
        raise InputError(f"--workers {asked.workers}: is for CPUs; with GPUs use --per-gpu alone")
    connection = Connection(asked.address)
    cores, gpus = room(connection.nodes())
    connection.close()
    if asked.per_gpu is not None and not sum(gpus):
        raise InputError(f"--per-gpu {asked.per_gpu}: the cluster {asked.address} has no GPU")
    if sum(gpus) and asked.workers is None:
        devices = tuple(f"cuda:{number}" for number in range(sum(gpus)))
        return RayWorkers(devices, asked.per_gpu or 1, asked.threads, sum(cores), **options)
    fitting = sum(core // asked.threads for core in cores)
    if not fitting and asked.workers is None:
        raise InputError(
            f"--threads {asked.threads}: no node of the cluster {asked.address} has as many CPUs "
            f"(nearest: {max(cores, default=0)})"
        )
    count = asked.workers or fitting
    return RayWorkers(("cpu",), count, asked.threads, sum(cores), **options)


def room(nodes: Iterable[Mapping[str, Any]]) -> tuple[list[int], list[int]]:
    """Return the CPUs and the GPUs of each node, in whole ones."""
    resources = [node["Resources"] for node in nodes]
    return [int(of.get("CPU", 0)) for of in resources], [int(of.get("GPU", 0)) for of in resources]


def devices_of(workers: RayWorkers, nodes: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return a device, `cpu` or `cuda`, for each worker that the nodes have room for."""
    cores, gpus = room(nodes)
    if workers.devices != ("cpu",):
        return ("cuda",) * sum(gpus) * workers.per_device
    fitting = sum(most_workers(workers.threads, core) for core in cores if core >= workers.threads)
    return ("cpu",) * (fitting if workers.asked_for is None else workers.per_device)
