"""One command, run in this process as the command line runs it, and what it must keep to."""

from __future__ import annotations

import io
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from fuseablate.commands.program import main

ERRORS = ("strict", "backslashreplace")  # of stdout and of stderr, as Python opens them
SECONDS = 20  # no command here has work for as long


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: object
    out: str
    err: str


def run(arguments: Sequence[str]) -> Ended:
    """Run a command with streams as strict as those of a process."""
    streams = [
        io.TextIOWrapper(io.BytesIO(), "utf-8", errors) for errors in ("strict", "backslashreplace")
    ]
    with redirect_stdout(streams[0]), redirect_stderr(streams[1]), _in_time():
        try:
            code: object = main(arguments)
        except SystemExit as end:  # argparse leaves this way
            code = end.code
    texts = []
    for stream in streams:
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())
    return Ended(code, *texts)


def check(arguments: Sequence[str], kept: Path) -> Ended:
    """Run a command and hold it to the promise: 0, 1 or 2, and at most one line of error.

    `kept` is where a fault's traceback would lie, which the assertion then shows.
    """
    ended = run(arguments)
    fault = "".join(path.read_text() for path in kept.glob("fuseablate/fault-*"))
    assert ended.code in (0, 1, 2), f"exit code {ended.code}: {ended.err}\n{fault}"
    lines = [line for line in ended.err.splitlines() if not line.startswith("warning: skipped: ")]
    if ended.code == 2:
        assert len(lines) == 1, f"{len(lines)} lines of error: {ended.err[:2000]}"
        assert re.match(r"fuseablate[a-z ]*: error: .", lines[0]), lines[0]
    else:
        assert not lines, f"exit code {ended.code}, and on stderr: {ended.err[:2000]}"
    assert "Traceback" not in ended.err
    assert len(ended.err) < 20_000, f"{len(ended.err)} characters of error"
    return ended


@contextmanager
def _in_time() -> Iterator[None]:
    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"longer than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        sys.stdout.flush()
