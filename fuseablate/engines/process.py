"""A worker as its parent sees it: a process, with a pipe to it and one from it. Without torch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

from fuseablate.engines.base import Job
from fuseablate.io.interpreter import python_like_this

MODULE = "fuseablate.engines.worker"
_PIECE = 1 << 16
_DYING_SECONDS = 5


class WorkerProcess:
    """One process of `fuseablate.engines.worker`, and the messages to and from it.

    Messages are lines of JSON. The pipes are this process's own: no other worker inherits
    them, so that each notices the end of the other side at once.
    """

    def __init__(self, device: str, log: Path | None) -> None:
        """Start a worker for a device; its prints and errors are appended to `log`.

        Without `log` they go to the standard error.
        """
        python, environment = python_like_this()
        errors = log.open("ab") if log else None
        try:
            self._process = subprocess.Popen(
                [*python, "-X", "faulthandler", "-m", MODULE, device, str(os.getpid())],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
            )
        finally:
            if errors:
                errors.close()
        self._to = cast("IO[bytes]", self._process.stdin)
        self._from = cast("IO[bytes]", self._process.stdout)
        os.set_blocking(self._from.fileno(), False)
        self._rest = b""
        self.device = device
        self.ready, self.ended = True, False  # what is sent before it has started waits in the pipe

    @property
    def pid(self) -> int:
        return self._process.pid

    def fileno(self) -> int:
        """Return the file descriptor that becomes readable when there is something to read."""
        return self._from.fileno()

    def train(self, run: int, job: Job) -> None:
        """Have it train a job; `run` is the number of the try."""
        self._send({"run": run, "job": job.to_dict()})

    def stop(self, run: int) -> None:
        """Have it end that try after its current epoch."""
        self._send({"stop": run})

    def _send(self, message: Mapping[str, Any]) -> None:
        """Send a message. That the worker has died is found when it is read from."""
        line = memoryview(json.dumps(message).encode() + b"\n")
        try:
            while line:
                line = line[os.write(self._to.fileno(), line) :]
        except BrokenPipeError:
            pass

    def read(self) -> Iterator[dict[str, Any]]:
        """Yield the messages that are there; `ended` then says whether there will be no more."""
        while not self.ended:
            try:
                piece = os.read(self._from.fileno(), _PIECE)
            except BlockingIOError:  # nothing there at the moment
                return
            self.ended = not piece
            *lines, self._rest = (self._rest + piece).split(b"\n")
            for line in lines:
                yield json.loads(line)

    def kill(self) -> None:
        """End the process at once, without waiting for it."""
        self._process.kill()

    def terminate(self) -> None:
        """Have the process end itself, and leave no half-written file behind."""
        self._process.terminate()

    def wait(self) -> str:
        """Wait for the end of a process that ends or was killed, and return how it ended."""
        try:
            code = self._process.wait(_DYING_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self.ended = True
        self._to.close()
        self._from.close()
        if code >= 0:
            return f"the worker ended with exit code {code}"
        name = signal.Signals(-code).name
        memory = ", perhaps for want of memory" if name == "SIGKILL" else ""
        return f"the worker was killed by {name}{memory}"
