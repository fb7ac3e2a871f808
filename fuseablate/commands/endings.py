"""How the command line ends where it cannot end well. Without torch.

A signal ends it as Ctrl-C does. An output that cannot be written is a line. What nobody foresaw
is a line as well, and its traceback a file. The exit codes are those that a shell would give.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import IO, NoReturn

from fuseablate.errors import InputError
from fuseablate.io.escaping import masked, message
from fuseablate.version import __version__

BAD_INPUT, UNFORESEEN = 2, 70  # the latter is EX_SOFTWARE of sysexits.h
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
SIGNALS = (signal.SIGTERM, signal.SIGHUP)  # Python itself makes a KeyboardInterrupt of SIGINT


class Stopped(KeyboardInterrupt):
    """A signal that ends the process; what answers Ctrl-C answers it, too."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextlib.contextmanager
def signals_heard() -> Iterator[None]:
    """Raise `Stopped` where one of SIGNALS comes; one that is ignored (`nohup`) stays so."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    heard = [number for number in SIGNALS if before[number] != signal.SIG_IGN]
    if threading.current_thread() is not threading.main_thread():
        heard = []
    for number in heard:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise Stopped(number)


def prepare_streams() -> None:
    """Have all three standard streams open, and whatever text they are given written.

    A stream that was closed is the null device: the number of its file could else become that of
    a file which is opened later, and all that prints would write into it. A file's name that is
    no UTF-8 is printed by its bytes.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # a new file gets the lowest number, which is the stream's
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 - to the very end
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")


def end(error: BaseException) -> int:
    """Say in one line why a command has ended, and return the exit code."""
    if (stop := _stop_behind(error)) is not None:
        # The output may be the terminal that has hung up.
        try:
            sys.stdout.flush()
        except OSError:
            _silence(sys.stdout)
        return 128 + getattr(stop, "number", signal.SIGINT)
    if isinstance(error, BrokenPipeError):
        # The reader of a pipe (head, less) has left; what it wanted it has.
        _silence(sys.stdout)
        return 0
    if isinstance(error, InputError):
        _say(str(error))
        return BAD_INPUT
    if isinstance(error, OSError) and error.errno in FULL and error.filename is None:
        _silence(sys.stdout)
        _say(f"the output cannot be written: {error.strerror}")
        return BAD_INPUT
    if not isinstance(error, Exception):  # argparse's SystemExit
        raise error
    kept = _keep("".join(traceback.format_exception(error)))
    where = f"its traceback is in {kept}" if kept else "its traceback could not be kept"
    _say(f"a fault of fuseablate itself, {type(error).__name__}: {str(error)[:200]}; {where}")
    return UNFORESEEN


def _stop_behind(error: BaseException | None) -> KeyboardInterrupt | None:
    """Return the interruption that an error is, or that it came of, as a failing last line does."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error


def _say(line: str) -> None:
    with contextlib.suppress(OSError):
        print(f"fuseablate: error: {message(masked(line))}", file=sys.stderr, flush=True)


def _silence(stream: IO[str]) -> None:
    """Keep Python's last flush from failing anew."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def _keep(text: str) -> Path | None:
    """Write a traceback where only the user reads it; None where there is no place for it."""
    now = datetime.now(UTC)
    name = f"fault-{now:%Y%m%dT%H%M%SZ}-{os.getpid()}.txt"
    head = f"fuseablate {__version__}, Python {platform.python_version()}, {platform.platform()}"
    for folder in _folders():
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            file = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(file, "w", encoding="utf-8", errors="backslashreplace") as out:
                out.write(f"{head}, {now:%Y-%m-%d %H:%M:%S} UTC\n\n{text}")
            return folder / name
    return None


def _folders() -> Iterator[Path]:
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    with contextlib.suppress(RuntimeError):  # no home
        yield (state if state.is_absolute() else Path.home() / ".local/state") / "fuseablate"
    with contextlib.suppress(OSError):
        yield Path(tempfile.gettempdir())
