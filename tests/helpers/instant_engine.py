"""An engine that trains nothing: a run's curve is what a function says, an epoch each poll."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from fuseablate.cost.costs import measure
from fuseablate.engines.base import Event, EventKind, Job
from fuseablate.engines.workers import Workers
from fuseablate.runs.record import Curves, Failure, Record, Score, TestScore
from fuseablate.runs.status import StudyStatus
from fuseablate.runs.store import RECORD, Store
from fuseablate.spec.spec import Spec
from fuseablate.studies.driver import Driver
from fuseablate.studies.plan import Plan
from fuseablate.tracking import TrackedRun, Tracker

Curve = Callable[[Spec, int], Sequence[float | None]]  # None: the loss is not finite


@dataclass
class InstantEngine:
    curve: Curve
    slots: int = 1
    lose: Callable[[Job], bool] = lambda job: False
    by_job: Callable[[Job], Sequence[float | None]] | None = None  # in place of `curve`
    stop_after: int | None = None  # runs, after which the study is interrupted
    trained: list[Job] = field(default_factory=list)
    most: int = 0
    timed: list[str] = field(default_factory=list)
    _active: dict[str, tuple[Job, Spec, list[float]]] = field(default_factory=dict)
    _events: list[Event] = field(default_factory=list)

    @property
    def free(self) -> int:
        return self.slots - len(self._active)

    def submit(self, job: Job) -> None:
        assert job.key not in self._active
        assert self.free
        if len(self.trained) == self.stop_after:
            raise KeyboardInterrupt
        self.trained.append(job)
        self._active[job.key] = (job, Spec.from_dict(job.spec), [])
        self.most = max(self.most, len(self._active))
        self._events.append(Event("started", job.key, "cpu/0"))

    def stop(self, key: str) -> None:
        del self._active[key]
        self._events.append(Event("stopped", key, "cpu/0"))

    def poll(self, timeout: float) -> list[Event]:
        for key, (job, spec, done) in list(self._active.items()):
            curve = self.by_job(job) if self.by_job else self.curve(spec, job.seed)
            if self.lose(job):
                self._end(key, Event("lost", key, "cpu/0", text="killed"))
                continue
            value = curve[len(done)]
            if value is not None:
                done.append(value)
                self._events.append(Event("epoch", key, "cpu/0", curves=vars(curves(done))))
            if value is None or len(done) == len(curve):
                write_record(job, spec, done, failed=value is None)
                kind: EventKind = "failed" if value is None else "finished"
                self._end(key, Event(kind, key, "cpu/0"))
        events, self._events = self._events, []
        return events

    def latencies(self, specs: Sequence[Spec], size: tuple[int, int]) -> list[float]:
        assert not self._active, "latency is measured while no run is trained"
        self.timed += [spec.label for spec in specs]
        return [measure(spec, size).macs / 1e6 for spec in specs]

    def close(self) -> None:
        self._active.clear()

    def _end(self, key: str, event: Event) -> None:
        del self._active[key]
        self._events.append(event)


def curves(values: Sequence[float]) -> Curves:
    ones = tuple(1.0 for _ in values)
    return Curves(ones, ones, ones, ones, tuple(values), ones, ones)


def write_record(job: Job, spec: Spec, values: Sequence[float], failed: bool) -> None:
    """A record whose test score is as bad as the validation is good."""
    data = job.data
    size = (int(data["size"]), int(data["size"]))
    cost = measure(spec, size)
    top1 = values[-1] if values else 0.0
    record = Record(
        digest=job.key, status="failed" if failed else "finished", spec_name=spec.name,
        label=spec.label, edits=spec.edits, spec=dict(job.spec), recipe_name="r",
        recipe=dict(job.recipe), data_title="generated", data={**data, "image_size": size},
        class_names=(), seed=job.seed, params=cost.params, macs=cost.macs,
        curves=curves(values), val=None if failed else Score(10, 1.0, top1, 1.0),
        test=TestScore(10, 1.0, 1 - top1, 1.0, (1 - top1,), "AAA=")
        if job.tested and not failed
        else None,
        failure=Failure(1, 1, 0.1, "nan", "training") if failed else None, stopped_epoch=None,
        environment={}, notes=(), started="2026-01-01T00:00:00+00:00",
        ended="2026-01-01T00:00:01+00:00", untested=not job.tested,
    )  # fmt: skip
    folder = Store(Path(job.runs)).folder(job.key)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECORD).write_text(record.to_json())


class NoTracker:
    """A tracker that keeps what it is told of."""

    def __init__(self) -> None:
        self.runs: dict[str, TrackedRun] = {}
        self.ended: list[str] = []
        self.cut: list[str] = []

    def started(self, run: TrackedRun) -> None:
        self.runs[run.key] = run

    def epoch(self, key: str, curves: object) -> None: ...

    def finished(self, key: str, folder: Path) -> None:
        self.ended.append(key)

    def pruned(self, key: str) -> None:
        self.cut.append(key)


@dataclass
class Quiet:
    """A view that keeps what it is told."""

    said: list[str] = field(default_factory=list)

    def update(self, status: StudyStatus) -> None:
        json.dumps(status.notes)

    def say(self, text: str) -> None:
        self.said.append(text)


def driver_of(plan: Plan, runs: Path, engine: InstantEngine) -> Driver:
    """Return a driver of a plan, whose tracker is a `NoTracker` and whose view is `Quiet`."""
    store = Store(runs)
    plan.folder(store).mkdir(parents=True, exist_ok=True)
    tracker = cast(Tracker, NoTracker())
    return Driver(plan, store, engine, tracker, Quiet(), Workers(("cpu",), engine.slots, 1))
