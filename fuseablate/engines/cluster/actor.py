"""A worker on a node of a Ray cluster: an actor that trains one run after another.

It is a worker as `fuseablate.engines.worker` describes it. Its messages are taken from it by
`take`; where it trains in a folder of its own, some bring files of that folder along.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, TYPE_CHECKING, Any, TypedDict

from fuseablate.engines.base import Job
from fuseablate.engines.cluster.dataset import Shipment, received
from fuseablate.engines.cluster.parcel import Mail, Parcel, unpack
from fuseablate.engines.latency import measured
from fuseablate.engines.worker import ParentProgress
from fuseablate.io.lock import LOCK, is_held, take
from fuseablate.plugins import run_plugins
from fuseablate.runs import Store
from fuseablate.spec import Size, Spec

if TYPE_CHECKING:
    from fuseablate.data.parts import Data

SCRATCH = "fuseablate-worker-"
TAKE_SECONDS = 30.0
LEAST_AGE = 60.0  # seconds of a folder that may be one without its lock yet


class Needs(TypedDict):
    """What a run reads beside its own folder."""

    data: Shipment
    teacher: tuple[str, Any] | None
    """The digest of the run that it learns from, and Ray's reference to that one's `Parcel`.

    None: it has no teacher, or the worker reads it in the run store.
    """


class TrainRequest(TypedDict):
    """A try of a run."""

    run: int
    job: Mapping[str, Any]
    sent: Parcel | None
    """The files of the run's folder; None: the worker uses the run store itself."""
    seconds: float
    """Between two checkpoints that it sends back, at the least."""
    needs: Needs


class Trainer:
    """The actor. Each of its methods may be called while it trains."""

    def __init__(self, module: str, device: str, environment: Mapping[str, str]) -> None:
        """Start the thread that trains; `module` has a worker's `train_job` and `free_memory`."""
        for name, value in environment.items():
            os.environ.setdefault(name, value)
        self._stopped = 0
        self._device = device
        self._orders: SimpleQueue[TrainRequest] = SimpleQueue()
        self._messages: SimpleQueue[Mapping[str, Any]] = SimpleQueue()
        self._mail: Mail | None = None
        self._data: tuple[Mapping[str, str], Data] | None = None
        self._scratch, self._lock = _own_folder()
        sys.stdout = sys.stderr = _Printed(self._messages)
        threading.Thread(target=self._serve, args=(module,), daemon=True).start()
        threading.Thread(target=self._watch, args=(os.getppid(),), daemon=True).start()

    def is_to_stop(self, number: int) -> bool:
        """Return whether the run of that number is to stop."""
        return self._stopped == number

    def hello(self) -> dict[str, Any]:
        """Return where the worker is, and what it would train with."""
        import ray

        from fuseablate import __version__

        context = ray.get_runtime_context()
        gpus = context.get_accelerator_ids().get("GPU", [])
        address = str(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call]  # Ray's
        place = f"{address}/{f'gpu{gpus[0]}' if gpus else 'cpu'}"
        return {
            "pid": os.getpid(),
            "node": context.get_node_id(),
            "device": place,
            "version": __version__,
        }

    def train(self, order: TrainRequest) -> None:
        """Train a run when the one before has ended."""
        self._orders.put(order)

    def end_run(self, run: int) -> None:
        """End a run after its current epoch."""
        self._stopped = run

    def take(self) -> list[Mapping[str, Any]]:
        """Return the messages since the last call, waiting for the first for a while."""
        messages = []
        try:
            messages.append(self._messages.get(timeout=TAKE_SECONDS))
            while True:
                messages.append(self._messages.get_nowait())
        except Empty:
            return messages

    def latencies(
        self, specs: list[Mapping[str, Any]], size: Size, plugins: list[dict[str, str]]
    ) -> list[float]:
        """Return the milliseconds of an image in each network, which may be of those plug-ins."""
        run_plugins(plugins)
        return measured([Spec.from_dict(spec) for spec in specs], size, self._device)

    def leave(self) -> Parcel | None:
        """Return what the driver lacks of the run that is being trained; nothing comes after."""
        parcel = self._mail.last() if self._mail else None
        self._mail = None
        for _ in range(10):  # the training may write a checkpoint there meanwhile
            shutil.rmtree(self._scratch, ignore_errors=True)
            if not self._scratch.exists():
                break
        return parcel

    def _watch(self, node: int) -> None:
        """End the process with the node's own, which Ray does later or not at all."""
        while os.getppid() == node:
            time.sleep(0.5)
        shutil.rmtree(self._scratch, ignore_errors=True)
        os._exit(0)

    def _serve(self, module: str) -> None:
        while True:
            order = self._orders.get()
            try:
                worker = import_module(module)
                self._train(worker, order)
                if self._device != "cpu":
                    worker.free_memory(self._device)
            except Exception as error:  # of what is around the training, which has its own
                traceback.print_exc()
                text = " ".join(f"{type(error).__name__}: {error}".split())
                self._messages.put({"run": order["run"], "kind": "broken", "text": text})

    def _train(self, worker: Any, order: TrainRequest) -> None:
        run, sent, job = order["run"], order["sent"], Job.of(order["job"])
        mail: Mail | None = None
        if sent is not None:
            store = Store(self._scratch / str(run))
            mail = Mail(store.folder(job.key), sent, order["seconds"])
            job = replace(job, runs=str(store.root))
            if teacher := order["needs"]["teacher"]:
                _seat(store, *teacher)
        self._mail = mail

        def send(message: dict[str, object]) -> None:
            parcel = mail.of(message["kind"]) if mail else None
            self._messages.put({**message, "run": run, "parcel": parcel})

        def load(_: Mapping[str, Any]) -> Data:
            return self._arrived(order["needs"]["data"])

        worker.train_job(job, self._device, ParentProgress(send, run, self), load)
        self._mail = None
        shutil.rmtree(self._scratch / str(run), ignore_errors=True)

    def _arrived(self, shipment: Shipment) -> Data:
        """Return the data, which are kept for the next run: a study has but one set."""
        import ray

        if self._data is None or self._data[0] != shipment["digests"]:
            self._data = (shipment["digests"], received(shipment, ray.get))
        return self._data[1]


def _seat(store: Store, digest: str, reference: Any) -> None:
    """Put a teacher's record and weights into the store of the run that learns from it."""
    import ray

    with store.open(digest) as folder:
        unpack(ray.get(reference), folder)


class _Printed:
    """What the training prints, as messages for the driver's log."""

    def __init__(self, messages: SimpleQueue[Mapping[str, Any]]) -> None:
        self._messages = messages

    def write(self, text: str) -> int:
        self._messages.put({"kind": "printed", "text": text})
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False


def _own_folder() -> tuple[Path, IO[bytes]]:
    """Return an empty folder of this process and its lock; remove those that killed ones left.

    Who is alive is told by the locks: processes of several containers may share the folder of
    temporary files, and see none of one another.
    """
    root = Path(tempfile.gettempdir())
    for path in root.glob(f"{SCRATCH}*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > LEAST_AGE and not is_held(path):
                shutil.rmtree(path, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{SCRATCH}{os.getpid()}-"))
    lock = (folder / LOCK).open("wb")
    take(lock)
    return folder, lock
