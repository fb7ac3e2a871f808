"""The driver of a study: hands its runs to an engine, and files what becomes of them.

What is done is what the run store holds. So a study that was interrupted anywhere goes on from
there: the driver keeps no state of its own that could be lost.
"""

from __future__ import annotations

import fcntl
import os
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fuseablate.engines import Engine, Event
from fuseablate.errors import InputError
from fuseablate.record import Record
from fuseablate.runs import Store
from fuseablate.studies.board import Board, Line
from fuseablate.studies.design import Variant
from fuseablate.studies.plan import Plan, PlannedRun
from fuseablate.studies.trials import Trials
from fuseablate.tracking import TrackedRun, Tracker

SAVE_EVERY = 0.5  # seconds between two writes of the board, at the least


class View(Protocol):
    """What shows a study to its user."""

    def update(self, board: Board) -> None:
        """Show the board as it is now."""

    def say(self, text: str) -> None:
        """Show a line that stays."""


@contextmanager
def held(folder: Path, study: str) -> Iterator[None]:
    """Hold a study's folder alone among all processes; the lock goes with the process."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("a+")
    except OSError as error:
        raise InputError(f"study folder {folder}: cannot be written: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise InputError(
                f"study {study}: process {lock.read().strip() or '?'} is running it; "
                f"watch it with 'fuseablate study status {folder.name}'"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@dataclass
class Driver:
    """Runs a plan to its end."""

    plan: Plan
    store: Store
    engine: Engine
    trials: Trials
    tracker: Tracker
    view: View
    board: Board
    threads: int
    saved: float = 0.0

    def run(self) -> None:
        """Have every run trained that the store does not hold, and the trials filed."""
        runs = {run.digest: run for run in self.plan.runs}
        for variant in self.plan.design.variants:
            self.trials.start(variant.names[0], variant.levels, self._attributes(variant))
        waiting = [run for run in self.plan.runs if not self._already(run)]
        self._file_trials()
        active: set[str] = set()
        while waiting or active:
            while waiting and self.engine.free:
                run = waiting.pop(0)
                self.tracker.started(self.tracked(run))
                self.engine.submit(self.plan.job(run, self.store, self.threads))
                active.add(run.digest)
            for event in self.engine.poll(SAVE_EVERY):
                if self._handle(event, runs):
                    active.discard(event.key)
                    self._file_trials()
            self._show()
        self._show(now=True)

    def _already(self, run: PlannedRun) -> bool:
        """Whether the store holds the run's record; what it says is shown and tracked."""
        record = self.store.get(run.digest)
        if record is None:
            return False
        self._ended(run, record)
        return True

    def _ended(self, run: PlannedRun, record: Record) -> None:
        line = self.board.line(run.digest)
        line.state = "done" if record.status == "finished" else "failed"
        line.epoch, line.worker = len(record.curves), ""
        line.val_top1 = record.val.top1 if record.val else None
        line.seconds = statistics.median(record.curves.seconds or (0.0,))
        if record.failure:
            self._note(f"{run.name}: failed, {record.failure.part} loss {record.failure.loss} at "
                       f"step {record.failure.step}")  # fmt: skip
        self.tracker.started(self.tracked(run))
        self.tracker.finished(run.digest, self.store.folder(run.digest))

    def _handle(self, event: Event, runs: Mapping[str, PlannedRun]) -> bool:
        """Take note of an event; return whether its run has ended."""
        if event.key not in runs:
            self._note(event.text)
            return False
        run, line = runs[event.key], self.board.line(event.key)
        match event.kind:
            case "started":
                line.state, line.worker = "running", event.worker
            case "epoch":
                self._epoch(line, event)
            case "finished" | "failed":
                record = self.store.get(event.key)
                assert record is not None, "an engine says finished when the record is there"
                self._ended(run, record)
                self.view.say(_result(run, record))
                return True
            case "stopped":
                line.state, line.worker = "waiting", ""
                return True
            case "lost":
                line.state, line.worker = "lost", ""
                self._note(f"{run.name}: given up: {event.text}")
                return True
            case "retried" | "said":
                self._note(f"{run.name}: {event.text}")
        return False

    def _epoch(self, line: Line, event: Event) -> None:
        curves = event.curves or {}
        line.epoch = len(curves["lr"])
        line.val_top1 = curves["val_top1"][-1]
        line.seconds = statistics.median(curves["seconds"])
        self.tracker.epoch(event.key, curves)

    def _file_trials(self) -> None:
        """Tell Optuna of each variant whose runs have all ended."""
        for variant in self.plan.design.variants:
            name = variant.names[0]
            lines = [line for line in self.board.lines if line.variant == name]
            if any(line.state in ("waiting", "running", "lost") for line in lines):
                continue
            done = [line.val_top1 for line in lines if line.state == "done"]
            values = [value for value in done if value is not None]
            mean = statistics.mean(values) if values else None
            self.trials.finish(name, mean, {"seeds": f"{len(values)} of {len(lines)}",
                                            "val top-1": values})  # fmt: skip

    def tracked(self, run: PlannedRun) -> TrackedRun:
        """Return a run as W&B shall show it."""
        cost = self.plan.cost(run.variant)
        return TrackedRun(
            key=run.digest,
            names=run.variant.names,
            seed=run.seed,
            spec=run.variant.spec.to_dict(),
            edits=run.variant.spec.edits,
            recipe=run.variant.recipe.to_dict(),
            costs={"params": cost.params, "macs": cost.macs},
        )

    def _attributes(self, variant: Variant) -> dict[str, Any]:
        cost = self.plan.cost(variant)
        return {
            "names": list(variant.names),
            "edits": " ".join(variant.spec.edits),
            "recipe": variant.recipe.name,
            "params": cost.params,
            "macs": cost.macs,
        }

    def _note(self, text: str) -> None:
        self.board.notes.append(text)
        self.view.say(text)

    def _show(self, now: bool = False) -> None:
        if now or time.monotonic() - self.saved > SAVE_EVERY:
            self.saved = time.monotonic()
            self.board.save(self.plan.folder(self.store))
            self.view.update(self.board)


def new_board(plan: Plan, workers: int) -> Board:
    """Return the board of a plan, all of whose runs wait."""
    lines = [
        Line(run.variant.names[0], run.seed, run.digest, run.variant.recipe.epochs)
        for run in plan.runs
    ]
    return Board(plan.study.name, plan.study.title, os.getpid(), workers, lines)


def _result(run: PlannedRun, record: Record) -> str:
    if record.val is None:
        return f"{run.name}: failed"
    speed = statistics.median(record.curves.images_per_second)
    return (
        f"{run.name}: done, {len(record.curves)} epochs, validation top-1 "
        f"{record.val.top1:.2%}, {speed:,.0f} images/s"
    )
