"""A worker: a process that trains one run after another, as its parent tells it.

`python -m fuseablate.engines.worker DEVICE PARENT`, where PARENT is the parent's process id.
A message is a line of JSON. On the standard input comes `{"run": N, "job": ...}`, or
`{"stop": N}` for the run to end after its current epoch. On the standard output goes
`{"kind": ...}` of the run that was sent last, with the kinds

started (done: epochs before), epoch (curves), said (text)  on the way
finished, failed, stopped                                   the job has ended so
refused (text)                                              the job's input is bad
held (text)                                                 another process trains this run
memory (text), broken (text)                                the device's memory is full; an error

Of a job with others beside it a message has the `key` of the run that it is of, whose number is N,
N + 1 and so on in their order; without a key it is of all that have not ended.

The worker ends itself as soon as its parent is gone.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from types import FrameType
from typing import IO, TYPE_CHECKING, Any, NoReturn, Protocol, TypeAlias
from weakref import WeakValueDictionary

from fuseablate.engines.base import Job
from fuseablate.errors import InputError, UnreadableError

# torch takes seconds to import. It comes once the parent is watched: see main().
if TYPE_CHECKING:
    from fuseablate.data.parts import Data
    from fuseablate.runs import Curves, Record


LoadData: TypeAlias = "Callable[[Mapping[str, Any]], Data]"


class Stops(Protocol):
    """What a run looks at after each of its epochs."""

    def is_to_stop(self, number: int) -> bool:
        """Return whether the run of that number is to stop."""


class Orders:
    """What the parent has sent: jobs, and the numbers of the runs that are to stop."""

    def __init__(self, source: IO[str], parent: int) -> None:
        self.jobs: SimpleQueue[tuple[int, Job]] = SimpleQueue()
        self._stops: set[int] = set()
        threading.Thread(target=self._listen, args=(source,), daemon=True).start()
        threading.Thread(target=self._watch, args=(parent,), daemon=True).start()

    def _listen(self, source: IO[str]) -> None:
        for line in source:
            message = json.loads(line)
            if "stop" in message:
                self._stops.add(message["stop"])
            else:
                self.jobs.put((message["run"], Job.of(message["job"])))
        os._exit(0)  # the parent is gone, or wants no more

    def is_to_stop(self, number: int) -> bool:
        """Return whether the run of that number is to stop."""
        return number in self._stops

    def _watch(self, parent: int) -> None:
        """End the process with its parent, also where another child holds the pipe open."""
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(0)


@dataclass(frozen=True)
class ParentProgress:
    """A training `Progress` that the parent hears of; it ends the run where the parent says so."""

    send: Callable[[dict[str, object]], None]
    number: int
    orders: Stops
    key: str = field(default="", kw_only=True)
    """The run's, where it is one of several."""

    def tell(self, kind: str, **content: object) -> None:
        self.send({"kind": kind, **content, **({"key": self.key} if self.key else {})})

    def begin(self, title: str, epochs: int, done: int, images: int) -> None:
        """Tell that the run begins, or goes on."""
        self.tell("started", done=done)

    def step(self, images: int, loss: float) -> None:
        pass  # the parent hears of whole epochs

    def epoch(self, curves: Curves) -> None:
        """Tell of an epoch, whose checkpoint is saved, and end the run if it is to stop."""
        self.tell("epoch", curves=vars(curves))
        if self.orders.is_to_stop(self.number):
            from fuseablate.training import StoppedError

            raise StoppedError

    def say(self, message: str) -> None:
        self.tell("said", text=message)

    def end(self) -> None:
        pass  # `train_job` tells how


def _train(
    jobs: Sequence[Job], device: str, tellers: Sequence[ParentProgress], load: LoadData
) -> Iterator[tuple[int, Record | Exception]]:
    """Train jobs, whose first says what they share; yield what became of each, by number."""
    _import_what_trains()
    import torch

    from fuseablate.io.checked import checked
    from fuseablate.plugins import run_plugins
    from fuseablate.recipes import Recipe
    from fuseablate.runs import Store, run_digest
    from fuseablate.spec import Spec
    from fuseablate.training import Order, train_stack

    first = jobs[0]
    take_device(device)
    torch.set_num_threads(first.threads)  # for the data, too
    run_plugins(first.plugins)
    spec, data = Spec.from_dict(first.spec), load(first.data)
    orders = []
    for job, teller in zip(jobs, tellers, strict=True):
        recipe = checked(Recipe, job.recipe)
        digest = run_digest(spec, recipe, data, job.seed)
        if digest != job.key:
            raise InputError(f"job {job.key[:16]}: its content is that of the run {digest[:16]}")
        orders.append(Order(recipe, job.seed, teller, job.tested))
    yield from train_stack(
        spec, data, orders, store=Store(Path(first.runs)), device=device, threads=first.threads
    )


def _import_what_trains() -> None:
    """Import torch and what is built on it, in four fifths of the time.

    The rest is the search for garbage, of which imports make none. No later search looks at them.
    """
    if "torch" not in sys.modules:
        gc.disable()
        try:
            import_module("fuseablate.training")
            gc.freeze()
        finally:
            gc.enable()


def load_job_data(arguments: Mapping[str, Any]) -> Data:
    """Return the data of a job; those of the last job are kept, as a study has but one set.

    Nothing is downloaded: who named the run by its digest has had the data.
    """
    key = json.dumps(arguments)
    offered = _offered.get(key)
    return _loaded(key) if offered is None else offered


_offered: WeakValueDictionary[str, Data] = WeakValueDictionary()


def offer_data(arguments: Mapping[str, Any], data: Data) -> None:
    """Have jobs of this process take data that are loaded, as long as their owner holds them."""
    _offered[json.dumps(arguments)] = data


@lru_cache(maxsize=1)
def _loaded(arguments: str) -> Data:
    from fuseablate.data import load_data

    table = json.loads(arguments)
    name, root = table.pop("name"), table.pop("root", None)
    return load_data(name, root and Path(root), **table, download=False)


def _is_held(job: Job) -> bool:
    """Return whether another process holds the run's folder."""
    from fuseablate.io.lock import is_held
    from fuseablate.runs import Store

    return is_held(Store(Path(job.runs)).folder(job.key))


def _is_out_of_memory(error: Exception) -> bool:
    """Return whether an error says that the memory of an accelerator is full."""
    import torch

    # The libraries below torch, and CUDA itself while it starts, have errors of their own.
    # That a library could not be initialised is often want of memory, too.
    signs = ("out of memory", "ALLOC_FAILED", "NOT_INITIALIZED")
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs)
    )


def train_job(
    job: Job, device: str, progress: ParentProgress, load: LoadData = load_job_data
) -> None:
    """Train a job on the data that `load` returns, and tell what became of it."""
    jobs = (job, *job.beside)
    tellers = [progress]
    if job.beside:
        numbered = enumerate(jobs, progress.number)
        tellers = [replace(progress, number=number, key=each.key) for number, each in numbered]
    try:
        for number, outcome in _train(jobs, device, tellers, load):
            if isinstance(outcome, Exception):
                _tell_error(outcome, jobs[number], device, tellers[number])
            else:
                tellers[number].tell(outcome.status)
    except Exception as error:
        _tell_error(error, job, device, progress)


def _tell_error(error: Exception, job: Job, device: str, progress: ParentProgress) -> None:
    from fuseablate.training import StoppedError

    match error:
        case StoppedError():
            progress.tell("stopped")
        case UnreadableError():  # it may be readable at the next try
            progress.tell("broken", text=str(error))
        case InputError():
            progress.tell("held" if _is_held(job) else "refused", text=str(error))
        case _:
            traceback.print_exception(error)
            kind = "memory" if device != "cpu" and _is_out_of_memory(error) else "broken"
            progress.tell(kind, text=" ".join(f"{type(error).__name__}: {error}".split()))


def take_device(name: str) -> None:
    """Make a GPU the current one: whatever names none would open a context on GPU 0."""
    import torch

    device = torch.device(name)
    if device.type == "cuda":
        torch.cuda.set_device(device)


def free_memory(device: str) -> None:
    """Give the memory of a GPU back to those that share it."""
    import torch

    gc.collect()
    torch.get_device_module(device).empty_cache()


def main() -> None:
    """Serve the parent until it is gone."""
    device, parent = sys.argv[1], int(sys.argv[2])
    # Ctrl-C and a terminal that hangs up are the parent's to answer: it closes its workers, or
    # lets them go on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    # The two pipes are for messages alone; what prints, or reads, gets others.
    source, target = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    try:
        serve(Orders(source, parent), target, device)
    except SystemExit:
        # Without Python's own end, which would wait for the threads that read.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """Unwind, so that a file that is being written is removed."""
    raise SystemExit


def serve(orders: Orders, target: IO[str], device: str) -> NoReturn:
    """Train one run after another."""

    def send(message: dict[str, object]) -> None:
        target.write(json.dumps(message) + "\n")
        target.flush()

    while True:
        number, job = orders.jobs.get()
        train_job(job, device, ParentProgress(send, number, orders))
        if device != "cpu":
            free_memory(device)


if __name__ == "__main__":
    main()
