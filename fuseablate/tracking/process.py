"""The tracker process: `python -m fuseablate.tracking.process FOLDER MODE PROJECT`.

It reads updates on runs, a line of JSON each, from its standard input, and brings W&B up to
them. It ends after a `close`, or when the parent has died, in bounded time either way.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from fuseablate.tracking.login import Mode
from fuseablate.tracking.tracker import CUT_SHORT, UNREACHABLE, kill_children

ORPHAN_SECONDS = 30.0  # left to a tracker whose parent has died
NICENESS = 5
# What a user may have set for one run of their own, and must not reach ours.
OF_ONE_RUN = ("MODE", "RUN_ID", "RESUME", "RUN_GROUP", "NAME", "JOB_TYPE", "NOTES", "SWEEP_ID",
              "SERVICE", "REINIT", "DISABLED", "CONSOLE", "PROGRAM")  # fmt: skip
WANDB_QUIET = {"WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}


class Inbox:
    """The latest update on each run, in the order of arrival; a thread fills it."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._updates: dict[str, dict[str, Any]] = {}
        self._ended = False
        self._wake = threading.Condition()
        threading.Thread(target=self._read, args=(lines,), daemon=True).start()

    def next(self) -> dict[str, Any] | None:
        """Return the next update, or None when there will be no more."""
        with self._wake:
            self._wake.wait_for(lambda: self._updates or self._ended)
            return self._updates.pop(next(iter(self._updates))) if self._updates else None

    def _read(self, lines: Iterable[bytes]) -> None:
        seconds = ORPHAN_SECONDS
        for line in lines:
            try:
                update = json.loads(line)
            except ValueError:
                continue  # cut off by the parent's death
            if "close" in update:
                seconds = update["close"]
                break
            with self._wake:
                self._updates[update["key"]] = update
                self._wake.notify()
        # From here, as the main thread may be waiting for a server that never answers.
        end = threading.Timer(seconds, _exit, (CUT_SHORT,))
        end.daemon = True
        end.start()
        with self._wake:
            self._ended = True
            self._wake.notify()


def _exit(code: int) -> None:
    """End without wandb's own end, which waits for the server."""
    kill_children(os.getpid())
    os._exit(code)


def main(folder: Path, mode: Mode, project: str) -> None:
    """Bring W&B up to the updates on the standard input, until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # W&B's stop button interrupts the main thread
    os.nice(NICENESS)
    # The pipe moves to where wandb's processes do not inherit it.
    inbox = Inbox(os.fdopen(os.dup(0), "rb"))
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    for name in OF_ONE_RUN:
        os.environ.pop(f"WANDB_{name}", None)
    inside = {f"WANDB_{name}_DIR": str(folder / name.lower()) for name in ("DATA", "CACHE")}
    os.environ.setdefault("WANDB_INIT_TIMEOUT", "30")
    os.environ.update(WANDB_QUIET, WANDB_DIR=str(folder.parent), **inside)
    from fuseablate.tracking.session import Session, UnreachableError

    session = Session(mode, project, folder)
    while (update := inbox.next()) is not None:
        try:
            session.take(update)
        except UnreachableError:
            # wandb-core holds the ids of runs that it could not begin: only a new one is rid of it.
            traceback.print_exc()
            print("W&B cannot be reached; from here on runs are written to files", flush=True)
            _exit(UNREACHABLE)
        except ConnectionError:  # wandb-core has died
            traceback.print_exc()
            _exit(1)
        except Exception:  # wandb may raise anything; the run stays undelivered
            traceback.print_exc()
    session.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), cast("Mode", sys.argv[2]), sys.argv[3])
