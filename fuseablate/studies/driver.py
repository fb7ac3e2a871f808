"""The driver of a study: hands its runs to an engine, and files what becomes of them.

What is done is what the run store holds. So a study that was interrupted anywhere goes on from
there: the driver keeps no state of its own that could be lost.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from fuseablate.engines import Engine, Event, Workers
from fuseablate.io.terminal import counted
from fuseablate.runs import Record, RunState, RunStatus, Store, StudyStatus
from fuseablate.studies.plan import Plan, PlannedRun
from fuseablate.tracking import TrackedRun, Tracker

SAVE_EVERY = 0.5  # seconds between two writes of the status, at the least
SHARE = 20  # a status that takes a second to write is written every twenty seconds


class View(Protocol):
    """What shows a study to its user."""

    def update(self, status: StudyStatus) -> None:
        """Show the study as it is now."""

    def say(self, text: str) -> None:
        """Show a line that stays."""


class Work(Protocol):
    """Which runs there are to train, in which order, and what their results mean.

    The driver asks for runs while the engine is free, and tells of each what becomes of it.
    """

    def next(self) -> PlannedRun | None:
        """Return a run to begin now; None where there is none, or none before another ends."""

    def epoch(self, run: PlannedRun, val_top1: Sequence[float]) -> bool:
        """Take note of an epoch, by the curve so far; return whether the run is to stop."""

    def ended(self, run: PlannedRun, state: RunState, record: Record | None) -> None:
        """Take note of a run that is done, failed, lost or pruned; the last two have no record."""


@dataclass
class Driver:
    """Has the runs of a study trained, whatever work they come from."""

    plan: Plan
    store: Store
    engine: Engine
    tracker: Tracker
    view: View
    workers: Workers
    folder: Path = field(init=False)
    status: StudyStatus = field(init=False)
    _due: float = 0.0  # when the status is to be written next
    _active: dict[str, PlannedRun] = field(default_factory=dict)
    _statuses: dict[str, RunStatus] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder = self.plan.folder(self.store)
        study = self.plan.study
        self.status = StudyStatus(study.name, study.title, os.getpid(), self.workers.count, [])

    def run(self, work: Work) -> None:
        """Have every run of the work trained that the store does not hold."""
        while True:
            while self.engine.free and (run := work.next()):
                self._begin(run, work)
                self._show()
            if not self._active:
                break
            for event in self.engine.poll(SAVE_EVERY):
                self._handle(event, work)
            self._show()
        self._show(now=True)

    @property
    def idle(self) -> bool:
        """Whether no run is being trained."""
        return not self._active

    @property
    def active(self) -> Collection[str]:
        """The digests of the runs that are being trained, or wait for a worker."""
        return self._active.keys()

    def expect(self, runs: Iterable[PlannedRun], *, possible: int = 0) -> None:
        """Show runs as waiting where they are new; `possible` more may be asked for later."""
        for run in runs:
            self.status_of(run)
        self.status.possible = possible
        self._show(now=True)

    def status_of(self, run: PlannedRun) -> RunStatus:
        """Return the status of a run, waiting where it is new."""
        if run.digest not in self._statuses:
            status = RunStatus(run.variant.name, run.seed, run.digest, run.variant.recipe.epochs)
            self._statuses[run.digest] = status
            self.status.lines.append(status)
        return self._statuses[run.digest]

    def note(self, text: str) -> None:
        """Say what the user should know, now and in `study status`."""
        self.status.notes.append(text)
        self.view.say(text)

    def _begin(self, run: PlannedRun, work: Work) -> None:
        self.status_of(run)
        self.tracker.started(self._tracked(run))
        if (record := run.record(self.store)) is not None:
            self._ended(run, record, work)
        else:
            self.engine.submit(self.plan.job(run, self.store, self.workers.threads))
            self._active[run.digest] = run

    def _ended(self, run: PlannedRun, record: Record, work: Work) -> None:
        status = self.status_of(run)
        status.state = "done" if record.status == "finished" else "failed"
        status.epoch, status.worker = len(record.curves), ""
        status.val_top1 = record.val.top1 if record.val else None
        status.seconds = statistics.median(record.curves.seconds or (0.0,))
        if record.failure:
            self.note(f"{run.name}: failed, {record.failure.part} loss {record.failure.loss} at "
                      f"step {record.failure.step}")  # fmt: skip
        self.tracker.finished(run.digest, self.store.folder(run.digest))
        work.ended(run, status.state, record)

    def _handle(self, event: Event, work: Work) -> None:
        if event.key not in self._active:
            self.note(event.text)
            return
        run = self._active[event.key]
        status = self.status_of(run)
        match event.kind:
            case "started":
                status.state, status.worker, status.epoch = "running", event.worker, event.done
            case "epoch":
                self._epoch(run, status, event, work)
            case "finished" | "failed":
                record = self.store.get(event.key)
                assert record is not None, "an engine says finished when the record is there"
                del self._active[event.key]
                self.view.say(_result(run, record))
                self._ended(run, record, work)
            case "stopped" | "lost":
                # A run is stopped only where its work said so.
                status.state, status.worker = "pruned" if event.kind == "stopped" else "lost", ""
                del self._active[event.key]
                if event.kind == "lost":
                    self.note(f"{run.name}: given up: {event.text}")
                else:
                    self.tracker.pruned(run.digest)
                work.ended(run, status.state, None)
            case "retried" | "said":
                self.note(f"{run.name}: {event.text}")

    def _epoch(self, run: PlannedRun, status: RunStatus, event: Event, work: Work) -> None:
        curves = event.curves or {}
        status.epoch = len(curves["lr"])
        status.val_top1 = curves["val_top1"][-1] if curves["val_top1"] else None
        status.seconds = statistics.median(curves["seconds"])
        self.tracker.epoch(event.key, curves)
        if work.epoch(run, curves["val_top1"]):
            self.engine.stop(event.key)

    def _tracked(self, run: PlannedRun) -> TrackedRun:
        cost = self.plan.cost(run.variant)
        return TrackedRun(
            key=run.digest,
            names=run.variant.names,
            seed=run.seed,
            spec=run.variant.spec.to_dict(),
            edits=run.variant.spec.edits,
            recipe=run.variant.recipe.to_dict(),
            costs={"params": cost.params, "macs": cost.macs},
            levels={
                factor: _number(level) if self.plan.study.search else level
                for factor, level in run.variant.levels[0].items()
            },
            tested=run.tested,
        )

    def _show(self, now: bool = False) -> None:
        began = time.monotonic()
        if now or began > self._due:
            self.status.save(self.folder)
            self.view.update(self.status)
            ended = time.monotonic()
            self._due = ended + max(SAVE_EVERY, SHARE * (ended - began))


def _number(text: str) -> str | float:
    """Return what a text writes, where that is a number."""
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


def _result(run: PlannedRun, record: Record) -> str:
    if record.failure:
        return f"{run.name}: failed"
    speed = statistics.median(record.curves.images_per_second)
    val = f"validation top-1 {record.val.top1:.2%}, " if record.val else ""
    return f"{run.name}: done, {counted(len(record.curves), 'epoch')}, {val}{speed:,.0f} images/s"
