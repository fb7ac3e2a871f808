"""Processes of tests' own, and those of this machine, as /proc lists them."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

reads_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")

# A process has one server, whichever test starts it first.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.helpers.small_run", "fuseablate.commands.study", "optuna"])


def forked(target: Callable[..., object], *arguments: object, **named: object) -> BaseProcess:
    """Call a function in a process of its own, forked from a server that has imported torch once.

    So that it starts within milliseconds, as often as one likes.
    """
    process = _FORKS.Process(target=target, args=arguments, kwargs=named)
    process.start()
    return process


def processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]


def children_of(parent: int | None) -> list[int]:
    """Return the processes that a process has started, and that have not ended."""
    return [pid for pid in processes() if _parent_and_state(pid)[0] == parent and alive(pid)]


def alive(pid: int) -> bool:
    """Return whether a process is there, and not just its exit status."""
    return _parent_and_state(pid)[1] not in ("Z", "X", "")


def command_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return []


def _parent_and_state(pid: int) -> tuple[int, str]:
    try:
        state, parent, *_ = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0, ""
    return int(parent), state


def wait_until(what: Callable[[], object], seconds: float = 120) -> bool:
    """Wait until something is so; return whether it came to be."""
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def listening(pid: int) -> list[IPv4Address | IPv6Address]:
    """Return the addresses of the TCP sockets on which a process listens."""
    try:
        links = {str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()}
    except OSError:
        return []
    addresses: list[IPv4Address | IPv6Address] = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == "0A" and f"socket:[{inode}]" in links:
                words = bytes.fromhex(local.partition(":")[0])
                # Each group of four bytes is written as a number of this machine's order.
                turned = b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4))
                address = ip_address(turned)
                mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
                addresses.append(mapped or address)
    return addresses
