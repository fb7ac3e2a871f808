"""The parent's side of W&B: never waits, never raises, never loses a run. Without wandb.

For each run the parent keeps one update (configuration, curves so far, folder of the record), which
says all that there is to log. A thread hands those that have changed to the tracker process: a
slow tracker gets fewer and longer ones, a new one gets all of them again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from fuseablate.io.atomic import write_atomically
from fuseablate.tracking.delivered import Delivered
from fuseablate.tracking.login import Mode
from fuseablate.tracking.names import (
    NAME_LENGTH,
    artifact_name,
    check_project,
    job_type,
    run_id,
    run_name,
    shortened,
)

PROJECT = "fuseablate"
PAGE = "report.html"
RECORDED = "record"  # what is delivered of a run that has ended
LOOK = 1.0  # seconds between looks whether the tracker process lives
STARTS = 3  # of the tracker process, in one session of a study
CUT_SHORT = 3  # the exit code of a tracker that ran out of time after `close`
UNREACHABLE = 4  # the exit code of a tracker that begs to be started again, offline
LoggedTable = tuple[Sequence[str], Sequence[Sequence[object]]]  # columns, rows


@dataclass(frozen=True)
class TrackedRun:
    """A run as W&B shall show it, in values that JSON can hold."""

    key: str
    """The run's digest."""
    names: Sequence[str]
    """The variant's, the first for use."""
    seed: int
    spec: Mapping[str, Any]
    edits: Sequence[str]
    recipe: Mapping[str, Any]
    costs: Mapping[str, float]
    """By their names."""
    levels: Mapping[str, str | float] = field(default_factory=dict)
    """The level of each factor, or the value of each parameter of a search."""
    tested: bool = True
    """Whether the test scores are shown."""


class Tracker:
    """W&B runs of a study, one for each variant and seed, and one that holds the tables.

    `folder` is the study's; all that W&B writes lies in `wandb` below it. No method waits for W&B,
    except `close`.
    """

    def __init__(self, mode: Mode, study_name: str, study_digest: str, folder: Path) -> None:
        self._mode = mode
        self._group = shortened(study_name, NAME_LENGTH)
        self._digest = study_digest
        self._project = check_project(os.environ.get("WANDB_PROJECT") or PROJECT)
        self._folder = folder / "wandb"
        self._delivered = Delivered(self._folder / "delivered.jsonl")
        self._updates: dict[str, dict[str, Any]] = {}
        self._changed: dict[str, None] = {}  # keys, in the order of their change
        self._wake = threading.Condition()
        self._closing: float | None = None  # when the tracker must have ended
        self._given_up = False
        self._process: subprocess.Popen[bytes] | None = None
        self._writer = threading.Thread(target=self._serve, name="tracker", daemon=True)

    def started(self, run: TrackedRun) -> None:
        """Begin or continue a run; nothing is done for one that W&B has already."""
        if self._mode == "off" or self._delivered.has(run.key, RECORDED, self._mode):
            return
        config = {
            "spec": dict(run.spec),
            "edits": list(run.edits),
            "recipe": dict(run.recipe),
            "seed": run.seed,
            "variant": run.names[0],
            "aliases": list(run.names[1:]),
            **run.costs,
        }
        # By a key of their own, W&B groups by them and draws their parallel coordinates.
        for factor, level in run.levels.items():
            config[f"factor.{factor}" if factor in config else factor] = level
        job, name = job_type(run.names[0]), run_name(run.names[0], run.seed)
        self._begin(run.key, RECORDED, job, name, config, tested=run.tested)

    def epoch(self, key: str, curves: Mapping[str, Sequence[float]]) -> None:
        """Log an epoch: `curves` are those of the whole run so far, the fields of `Curves`."""
        self._tell(key, curves=curves)

    def finished(self, key: str, folder: Path) -> None:
        """Log what is missing of a run that has a record in `folder`, and end it."""
        self._tell(key, folder=str(folder.absolute()))

    def pruned(self, key: str) -> None:
        """End a run that was stopped early and has no record: its epochs are all there is."""
        self._tell(key, ended="pruned", what="pruned")

    def tables(self, tables: Mapping[str, LoggedTable], page: Callable[[], str]) -> None:
        """Log the study's tables, such as `comparison`, and its report, where they are new.

        page: makes the report as one HTML file, which is asked for only where it is sent.
        """
        content = {name: [list(columns), list(rows)] for name, (columns, rows) in tables.items()}
        what = hashlib.sha256(json.dumps(content, default=str).encode()).hexdigest()
        key = hashlib.sha256(self._digest.encode()).hexdigest()
        if self._mode == "off" or self._delivered.has(key, what, self._mode):
            return
        with contextlib.suppress(OSError):  # no folder: then W&B has no file either
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self._folder / PAGE, page())
        report = {"name": artifact_name(self._group, self._digest), "file": PAGE}
        self._begin(key, what, "study", self._group, {})
        self._tell(key, tables=content, report=report)

    def close(self, timeout: float = 60.0) -> tuple[str, ...]:
        """Wait until all is delivered, at most `timeout` seconds; say in lines what is not.

        What is not comes with the next start of the study: hand it all its runs again.
        """
        if self._mode == "off":
            return ()
        with self._wake:
            self._closing = time.monotonic() + timeout
            self._wake.notify()
        if self._writer.ident is not None:
            self._writer.join(timeout)
            self._given_up = True
            self._kill()
            self._writer.join(1)
        self._delivered.reload()
        ends = {"folder", "tables", "ended"}
        ended = [update for update in self._updates.values() if ends & update.keys()]
        left = [update for update in ended if not self._has(update)]
        if not left:
            return ()
        lines = [
            f"W&B: {len(left)} of {len(ended)} runs could not be sent; the same command again "
            f"sends them (details: {self._folder / 'tracker.log'})"
        ]
        if any(self._folder.glob("offline-run-*")):
            lines.append(f"W&B: or: wandb sync {self._folder}/offline-run-*")
        return tuple(lines)

    def _begin(
        self,
        key: str,
        what: str,
        job_type: str,
        name: str,
        config: Mapping[str, Any],
        *,
        tested: bool = True,
    ) -> None:
        update = {
            "key": key,
            "what": what,
            "id": run_id(self._digest, key),
            "group": self._group,
            "tested": tested,
        }
        with self._wake:
            self._updates[key] = {**update, "job_type": job_type, "name": name, "config": config}
            self._changed[key] = None
            if self._writer.ident is None:
                self._writer.start()
            self._wake.notify()

    def _tell(self, key: str, **changes: object) -> None:
        with self._wake:
            if key in self._updates:
                # A new dict: the writer may be reading the one before.
                self._updates[key] = {**self._updates[key], **changes}
                self._changed[key] = None
                self._wake.notify()

    def _has(self, update: Mapping[str, Any]) -> bool:
        return self._delivered.has(update["key"], update["what"], self._mode)

    def _serve(self) -> None:
        """Feed a tracker process, and another one where it dies; what the writer thread does."""
        mode = self._mode
        for _ in range(STARTS):
            with contextlib.suppress(OSError):  # no folder, no process, no reader
                process = self._start(mode)
                with contextlib.suppress(OSError):
                    self._feed(process)
                code = process.wait()
                if code == UNREACHABLE:
                    mode = "offline"
                elif code in (0, CUT_SHORT):
                    return
            self._delivered.reload()
            with self._wake:
                if self._given_up:
                    return
                left = (key for key, update in self._updates.items() if not self._has(update))
                self._changed = dict.fromkeys(left)

    def _feed(self, process: subprocess.Popen[bytes]) -> None:
        """Write all that changes, until the last of it is written or the process has died."""
        assert process.stdin is not None
        with process.stdin as pipe:
            while process.poll() is None and self._write_changes(pipe):
                pass

    def _write_changes(self, pipe: IO[bytes]) -> bool:
        """Wait for changes, for a second, and write them; say whether there may be more."""
        with self._wake:
            self._wake.wait_for(lambda: self._changed or self._closing is not None, LOOK)
            updates = [self._updates[key] for key in self._changed]
            self._changed, closing = {}, self._closing
        for update in updates:
            _write(pipe, update)
        if closing is not None:
            # A second less, so that the tracker ends of itself before it is killed.
            _write(pipe, {"close": max(closing - time.monotonic() - 1, 0.1)})
        return closing is None

    def _start(self, mode: Mode) -> subprocess.Popen[bytes]:
        self._folder.mkdir(parents=True, exist_ok=True)
        arguments = [str(self._folder.absolute()), mode, self._project]
        with (self._folder / "tracker.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fuseablate.tracking.process", *arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                bufsize=0,
                start_new_session=True,  # Ctrl-C is the parent's
            )
        return self._process

    def _kill(self) -> None:
        """End the tracker with all that it started, if it has not ended."""
        if self._process is not None and self._process.poll() is None:
            kill_children(self._process.pid)
            self._process.kill()


def kill_children(pid: int) -> None:
    """Kill what the process `pid` has started, which is wandb-core (found on Linux only).

    It leads a session of its own, and would go on trying to send for an hour or more.
    """
    for path in Path("/proc").glob(f"{pid}/task/*/children"):
        with contextlib.suppress(OSError):
            for child in path.read_text().split():
                os.kill(int(child), signal.SIGKILL)


def _write(pipe: IO[bytes], update: Mapping[str, Any]) -> None:
    line = memoryview(json.dumps(update, default=str).encode() + b"\n")
    while line:
        line = line[pipe.write(line) :]
