"""A worker on a cluster, as the driver sees it. The driver alone writes to the run store."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fuseablate import __version__
from fuseablate.engines.base import Job
from fuseablate.engines.cluster.actor import Needs, TrainRequest
from fuseablate.engines.cluster.parcel import Parcel, packed, unpack
from fuseablate.errors import InputError, UnreadableError
from fuseablate.io.lock import LOCK, is_held
from fuseablate.plugins import plugin_sources
from fuseablate.runs import RunFolder, Store
from fuseablate.spec import Size

LEAVING_SECONDS = 15.0  # from when all workers were told to leave
LEAST_SECONDS = 1.0  # for what an answer brings to arrive, however long the others took
_ENDS = ("finished", "failed", "stopped", "refused", "held", "memory", "broken")


@dataclass(frozen=True)
class _Held:
    """A run that is being trained, whose folder this process holds."""

    number: int  # of the try
    folder: RunFolder
    lock: ExitStack


class RayLink:
    """An actor `Trainer`, and the messages to and from it."""

    def __init__(
        self,
        ray: Any,
        actor: Any,
        *,
        ship: Callable[[Job], Needs],
        log: Callable[[str], None],
        seconds: float,
        shared: bool,
    ) -> None:
        """`ship` returns where what a job needs lies; `log` is told what the worker prints."""
        self._ray, self._actor, self._ship, self._log = ray, actor, ship, log
        self._seconds, self._shared = seconds, shared
        self._own: deque[Mapping[str, Any]] = deque()  # messages that are this side's
        self._held: _Held | None = None
        self._leaving: Any = None
        self._leaving_until = 0.0
        self._how = ""
        self.ready = self.ended = False
        self.device, self.node = "", ""
        self.pid: int | None = None
        self._next: Any = actor.hello.remote()  # what the actor answers next

    @property
    def waiting_for(self) -> Any:
        """The reference to wait for; None where there is something to read at once."""
        return None if self._own or self.ended else self._next

    def train(self, run: int, job: Job) -> None:
        """Have it train a job, whose folder is held until it has ended."""
        sent: Parcel | None = None
        try:
            needs = self._ship(job)
            if not self._shared:
                lock = ExitStack()
                folder = lock.enter_context(Store(Path(job.runs)).open(job.key))
                self._held = _Held(run, folder, lock)
                sent = packed(folder.path, {})
        except UnreadableError as error:
            self._own.append({"kind": "broken", "text": str(error)})
        except InputError as error:
            held = is_held(Store(Path(job.runs)).folder(job.key))
            self._own.append({"kind": "held" if held else "refused", "text": str(error)})
        else:
            order: TrainRequest = {"run": run, "job": job.to_dict(), "sent": sent,
                            "seconds": self._seconds, "needs": needs}  # fmt: skip
            self._actor.train.remote(order)

    def stop(self, run: int) -> None:
        """Have it end that try after its current epoch."""
        self._actor.end_run.remote(run)

    def read(self) -> Iterator[Mapping[str, Any]]:
        """Yield the messages that are there, once the files that they brought are written."""
        while self._own:
            yield self._own.popleft()
        while not self.ended and self._ray.wait([self._next], timeout=0)[0]:
            try:
                answer = self._ray.get(self._next)
            except self._ray.exceptions.RayError as error:
                self._lost(error)
                return
            self._next = self._actor.take.remote()
            if isinstance(answer, dict):
                self._greeted(answer)
                continue
            for message in answer:
                if message["kind"] == "printed":
                    self._log(message["text"])
                elif self._taken(message):
                    yield message

    def latencies(self, specs: list[Mapping[str, Any]], size: Size) -> list[float]:
        """Return the milliseconds of an image in each network; an `InputError` says why not."""
        try:
            asked = self._actor.latencies.remote(specs, size, plugin_sources())
            times: list[float] = self._ray.get(asked)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except self._ray.exceptions.RayError as error:
            self._lost(error)
            raise InputError(f"latency on {self.device or 'a worker'}: {self._how}") from None
        return times

    def _greeted(self, hello: Mapping[str, Any]) -> None:
        if hello["version"] != __version__:
            raise InputError(
                f"--engine ray: {hello['device']} has fuseablate {hello['version']}, and this "
                f"process {__version__}; install the same on all machines"
            )
        self.pid, self.node, self.device = hello["pid"], hello["node"], hello["device"]
        self.ready = True

    def _taken(self, message: Mapping[str, Any]) -> bool:
        """Write what a message brought; return whether it is of the run that is being trained."""
        held = self._held
        if held is None:
            return self._shared
        if message["run"] != held.number:
            return False
        if parcel := message.get("parcel"):
            unpack(parcel, held.folder)
        if message["kind"] in _ENDS:
            self._release()
        return True

    def _release(self) -> None:
        """Let go of the run's folder, and remove it where nothing came of the run."""
        held, self._held = self._held, None
        if held is None:
            return
        path = held.folder.path
        if [left.name for left in path.iterdir()] == [LOCK]:
            with suppress(OSError):
                (path / LOCK).unlink()
                path.rmdir()
        held.lock.close()

    def _lost(self, error: BaseException) -> None:
        """Take note that the actor is gone, or cannot be reached, which is the same."""
        where = f"the worker on {self.device}" if self.device else "a worker that was starting"
        text = " ".join(str(error).split())
        if "node" in text and ("died" in text or "dead" in text) and "worker process" not in text:
            self._how = f"{where} is lost with its node"
        elif "worker process has died" in text or "killed" in text:
            self._how = f"{where} was killed or crashed, perhaps for want of memory"
        elif self.device:
            self._how = f"the connection to {where} broke: it, or its node, is gone"
        else:
            self._how = f"{where} failed: {text[-300:]}"
        self.ended = True
        self._release()
        self.kill()

    def terminate(self) -> None:
        """Have it send what it has saved of its run, and clear up."""
        if self.ready and not self.ended:
            self._leaving = self._actor.leave.remote()
            self._leaving_until = time.monotonic() + LEAVING_SECONDS

    def wait(self) -> str:
        """Write what it sent when it was told to leave, end it, and return how it ended."""
        if self._leaving is not None:
            with suppress(self._ray.exceptions.RayError):
                left = max(self._leaving_until - time.monotonic(), 0)
                # One that is silent costs nothing more then: of a broken link all are.
                if self._ray.wait([self._leaving], timeout=left, fetch_local=False)[0]:
                    parcel = self._ray.get(self._leaving, timeout=max(left, LEAST_SECONDS))
                    if parcel and self._held:
                        unpack(parcel, self._held.folder)
        self._leaving = None
        self.ended = True
        self._release()
        self.kill()
        return self._how

    def kill(self) -> None:
        """End the actor at once."""
        with suppress(Exception):  # it is gone, or the cluster is
            self._ray.kill(self._actor)
