"""This process's connection to a Ray cluster: one that is there, or one that it starts."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import socket
import tempfile
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

from fuseablate.errors import InputError

EXTRA = "pip install 'fuseablate[ray]'"
REACH_SECONDS = 5.0  # in which a head answers, where there is one
# A head that is gone is noticed here, with a line of its own, before Ray ends the process.
PATIENCE = {"RAY_gcs_rpc_server_reconnect_timeout_s": "600"}
QUIET = {"RAY_USAGE_STATS_ENABLED": "0"}  # nothing is reported to Ray's makers
# Ray takes a machine for one that is no cluster's by this variable: all of its ports are then on
# the loopback interface. Workers start when they are needed, not one a core at once.
ALONE = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_enable_worker_prestart": "0",
    "RAY_prestart_worker_first_driver": "0",
}
TOKEN = Path("~/.ray/auth_token")  # with which `ray start` guards a cluster, where it is there
_ADDRESS = re.compile(r"(\[[0-9a-fA-F:]+\]|[^:/\s]+):(\d{1,5})")


class Connection:
    """A connection to a cluster, which was there before in this process, or ends with `close`."""

    def __init__(self, address: str | None, cpus: int = 1, gpus: int = 0) -> None:
        """Connect to the cluster of `address` (`auto`: the one that runs on this machine).

        Without an address, start one on this machine alone, with so many CPUs and GPUs. Where the
        process is connected already, that cluster is used. An `InputError` says what is missing.
        """
        self._folder: Path | None = None
        ray = imported(alone=address is None)
        self._ray: Any = ray
        self.ours: bool = not ray.is_initialized()
        if self.ours:
            if address is not None:
                check_address(address)
            self._start(address, cpus, gpus)
        host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
        self._head: tuple[str, int] = (host.strip("[]"), int(port))

    @property
    def head(self) -> str:
        """The address of the cluster's head."""
        return "{}:{}".format(*self._head)

    @property
    def alone(self) -> bool:
        """Whether the cluster's ports are those of the loopback interface."""
        return self._head[0].startswith("127.") or self._head[0] == "::1"

    def _start(self, address: str | None, cpus: int, gpus: int) -> None:
        from ray._private import utils, worker

        options: dict[str, Any] = {"address": address} if address else {}
        if address is None:
            # Sockets have paths of about 100 characters at most.
            self._folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
            options = {
                "address": "local",
                "num_cpus": cpus,
                "num_gpus": gpus,
                "include_dashboard": False,
                "_temp_dir": str(self._folder),
            }
        # What Ray would print of every worker that died is said by our own events, in a line. It
        # would also describe the job to all users of the cluster by the command's arguments, of
        # which one may be a storage's URL with a password.
        worker.listen_error_messages = lambda *_: None
        utils.get_entrypoint_name = lambda: "fuseablate"
        in_main = threading.current_thread() is threading.main_thread()
        before = signal.getsignal(signal.SIGTERM)
        try:
            self._ray.init(
                namespace="fuseablate",
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                **options,
            )
        except Exception as error:
            self.close()
            why = " ".join(str(error).split())[:300]
            where = f"--address {address}" if address else "--engine ray"
            raise InputError(f"{where}: no connection to a Ray cluster: {why}") from None
        finally:
            if in_main:  # Ray takes it over
                signal.signal(signal.SIGTERM, before)

    def answers(self) -> bool:
        """Whether the head's port is open."""
        return _is_open(*self._head, seconds=1.0)

    def nodes(self) -> list[dict[str, Any]]:
        """Return the nodes that are alive, as Ray describes them."""
        return [node for node in self._ray.nodes() if node["Alive"]]

    def close(self) -> None:
        """Leave the cluster, and end it where it was started here."""
        if self.ours:
            if self._ray.is_initialized() and not self.answers():
                _forget_subscriptions()
            self._ray.shutdown()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)


def _forget_subscriptions() -> None:
    """Have Ray's end not wait minutes for a head that cannot be reached, to unsubscribe there.

    A head whose process has ended refuses at once; one behind a broken link says nothing.
    """
    from ray._private import worker

    for name in ("gcs_error_subscriber", "gcs_log_subscriber"):
        vars(worker.global_worker).pop(name, None)


def imported(alone: bool) -> ModuleType:
    """Return Ray; an `InputError` says that it is not installed.

    Its settings are read when it is first imported: among them whether it is to be `alone` on this
    machine, with no port that others can reach.
    """
    os.environ.update({**QUIET, **(ALONE if alone else {}), **os.environ, **PATIENCE})
    named = any(name in os.environ for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    if not alone and (named or TOKEN.expanduser().exists()):
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    try:
        import ray
    except ImportError:
        raise InputError(f"--engine ray: needs ray, which is not installed: {EXTRA}") from None
    return ray


def check_address(address: str) -> None:
    """Raise an `InputError` for what is no address, or where no head answers."""
    if address == "auto":
        return
    parts = _ADDRESS.fullmatch(address)
    if not parts or not 0 < int(parts[2]) < 65536:
        raise InputError(
            f"--address {address}: must be that of a cluster's head, such as 10.0.0.1:6379, or auto"
        )
    if not _is_open(parts[1].strip("[]"), int(parts[2]), REACH_SECONDS):
        raise InputError(
            f"--address {address}: nothing answers there; on the head, "
            f"'ray start --head --port={parts[2]}' starts a cluster"
        )


def _is_open(host: str, port: int, seconds: float) -> bool:
    try:
        socket.create_connection((host, port), seconds).close()
    except OSError:
        return False
    return True
