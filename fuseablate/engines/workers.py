"""How many workers run at once, on which devices, with how many threads each. Without torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from fuseablate.errors import InputError
from fuseablate.io.cores import usable_cores

MOST_STACKED = 16  # runs of a network on a GPU, however small they are


@dataclass(frozen=True)
class Workers:
    """How many workers there are, and where."""

    devices: tuple[str, ...]
    """As torch names them, such as `cpu` or `cuda:0`."""
    per_device: int
    threads: int
    """Of a run, on the CPU."""
    cores: int = field(default_factory=usable_cores, compare=False)
    """That the workers on the CPU share."""
    stack: int = field(default=1, kw_only=True)
    """How many runs of a network a worker trains as one, at most."""
    memory: int | None = field(default=None, kw_only=True)
    """Bytes of its device that a worker has; None where they do not limit the stack."""

    @property
    def count(self) -> int:
        return len(self.devices) * self.per_device

    def with_threads(self, threads: int) -> Self:
        """Return workers of so many threads; on a CPU no more than the cores can serve."""
        count = self.per_device
        if self.devices == ("cpu",):
            count = min(count, most_workers(threads, self.cores))
        return replace(self, threads=threads, per_device=count)


@dataclass(frozen=True)
class Asked:
    """What a user asks of an engine's workers, flag by flag; None where nothing was said."""

    workers: int | None = None
    gpus: tuple[int, ...] | None = None
    per_gpu: int | None = None
    threads: int = 1
    address: str | None = None
    """Of a cluster."""
    checkpoint_seconds: float | None = None
    """Between two checkpoints that a run sends back from a cluster."""
    stack: int | None = None
    """How many runs of a network are trained as one; None: what suits the devices."""
    shared_runs: bool = False
    """Whether all machines of a cluster reach the run store by the same path."""


def gpu_numbers(text: str) -> tuple[int, ...]:
    """Return the GPUs that `0,1` names; anything else is an InputError."""
    parts = text.split(",")
    if not all(part.isdecimal() for part in parts):
        raise InputError(f"--gpus {text}: must be the numbers of GPUs, such as 0,1")
    numbers = tuple(int(part) for part in parts)
    if len(set(numbers)) < len(numbers):
        raise InputError(f"--gpus {text}: names a GPU twice; --per-gpu lets runs share one")
    return numbers


def choose_workers(
    workers: int | None = None,
    gpus: Sequence[int] | None = None,
    per_gpu: int | None = None,
    threads: int = 1,
    *,
    cores: int | None = None,
    count_gpus: Callable[[], int] | None = None,
    has_mps: Callable[[], bool] | None = None,
) -> Workers:
    """Return the workers that the flags `--workers`, `--gpus` and `--per-gpu` ask for.

    With none of them, or with `per_gpu` alone, there is one worker (or `per_gpu`) on each GPU;
    without one, one on Apple's, and without that as many as the cores of the CPU can serve.
    `threads` are those of a run, which its result on a CPU depends on: they never follow from the
    number of workers. Many workers of one thread train more than one worker of many threads, so
    that is the default. `cores`, `count_gpus` and `has_mps` are by default asked of the machine;
    the latter two import torch.

    A number out of range, a GPU that is not there, or flags that exclude each other are an
    InputError.
    """
    if threads < 1:
        raise InputError(f"threads = {threads}: must be at least 1")
    cores = cores or usable_cores()
    if workers is not None:
        if gpus is not None or per_gpu is not None:
            raise InputError(
                f"--workers {workers}: is for the CPU; with GPUs use --per-gpu, or leave it out"
            )
        most = most_workers(threads, cores)
        if not 1 <= workers <= most:
            needs = "one" if threads == 1 else f"{threads}, for its threads"
            raise InputError(
                f"--workers {workers}: must be from 1 to {most}: there are {cores} usable CPU "
                f"cores, and each needs {needs} (nearest: {min(max(workers, 1), most)})"
            )
        return Workers(("cpu",), workers, threads)
    if per_gpu is not None and per_gpu < 1:
        raise InputError(f"--per-gpu {per_gpu}: must be at least 1")
    present = (count_gpus or _cuda_gpus)()
    if gpus is None and per_gpu is None and not present:
        if (has_mps or _has_mps)():
            return Workers(("mps",), 1, threads)
        return Workers(("cpu",), most_workers(threads, cores), threads)
    for gpu in range(max(present, 1)) if gpus is None else gpus:
        if gpu >= present:
            there = f"0 to {present - 1}" if present > 1 else "0" if present else "none"
            flag = "--per-gpu" if gpus is None else f"--gpus {','.join(map(str, gpus))}"
            raise InputError(f"{flag}: GPU {gpu} is not available (CUDA devices: {there})")
    devices = tuple(f"cuda:{gpu}" for gpu in (range(present) if gpus is None else gpus))
    # A worker on a GPU does little on the CPU: more of them than cores is no error.
    return Workers(devices, per_gpu or 1, threads)


def local_workers(asked: Asked) -> Workers:
    """Return the workers on this machine that the flags ask for; see `choose_workers`."""
    for flag, value in (
        ("--address", asked.address),
        ("--checkpoint-seconds", asked.checkpoint_seconds),
        ("--shared-runs", asked.shared_runs or None),
    ):
        if value is not None:
            raise InputError(f"{flag}: is for a cluster: add --engine ray, or leave it out")
    workers = choose_workers(asked.workers, asked.gpus, asked.per_gpu, asked.threads)
    return stacking_workers(workers, asked.stack)


def stacking_workers(
    workers: Workers, stack: int | None, memory: Callable[[str], int] | None = None
) -> Workers:
    """Return the workers with the number of runs that each trains as one network.

    Where none is asked for, it is as many as the memory of a GPU holds, and one on other devices.
    `memory` returns the bytes of a GPU, and is by default asked of it.
    """
    if stack is not None or not workers.devices[0].startswith("cuda"):
        return replace(workers, stack=stack or 1)
    smallest = min(map(memory or _gpu_memory, workers.devices))
    return replace(workers, stack=MOST_STACKED, memory=smallest // workers.per_device)


def most_workers(threads: int, cores: int) -> int:
    """Return how many runs of so many threads the cores serve at once; at least one."""
    return max(1, cores // threads)


def _cuda_gpus() -> int:
    import torch

    return torch.cuda.device_count()


def _gpu_memory(device: str) -> int:
    import torch

    return torch.cuda.get_device_properties(device).total_memory


def _has_mps() -> bool:
    import torch

    return torch.backends.mps.is_available()
