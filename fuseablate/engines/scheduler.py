"""What engines of workers share: jobs that wait, workers that train them, tries. Without torch.

Where the workers are, and how they are reached, is a `Workplace`'s to know. A worker that dies
takes its own run's try with it, and nothing else. The run is tried again, by a fresh worker, from
its last checkpoint.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fuseablate.engines.base import Event, EventKind, Job
from fuseablate.engines.workplace import Link, Workplace
from fuseablate.io.terminal import counted
from fuseablate.spec import Size, Spec


@dataclass(eq=False)
class _Task:
    """A job on its way."""

    job: Job
    due: float = 0.0  # when it may begin
    epochs: int = 0  # of its newest checkpoint
    failures: int = 0  # tries in a row that reached no new checkpoint
    advanced: bool = False  # whether this try has reached one
    held: bool = False  # whether it was said that another process trains it
    stopping: bool = False

    def reached(self, epochs: int) -> None:
        """Take note of a checkpoint after so many epochs."""
        if epochs > self.epochs:
            self.epochs, self.failures, self.advanced = epochs, 0, True


@dataclass(eq=False)
class _Slot:
    """A place for a worker, which is started when it is first needed, and anew when it died."""

    asked: str  # the device, as the workplace was asked for it
    index: int  # among those of the device
    link: Link | None = None
    task: _Task | None = None
    run: int = 0  # the number of the try, by which a late `stop` does not reach the next run

    @property
    def device(self) -> str:
        return self.link.device if self.link else self.asked

    @property
    def name(self) -> str:
        return f"{self.device}/{self.index}"


class Scheduler:
    """An Engine whose runs are trained by the workers of a workplace.

    A worker that dies, and an error that is not the input's, end a try. A run that another process
    is training is looked at again every `held_seconds`, until it has a record or is free; meanwhile
    other jobs take its place. Where K runs share a GPU and its memory is full, one worker fewer
    runs on it from then on, which is said and is no try.
    """

    def __init__(self, place: Workplace, retries: int, held_seconds: float) -> None:
        self._place, self._retries, self._held_seconds = place, retries, held_seconds
        self._slots: list[_Slot] = []
        self._removed = 0  # slots, for want of memory
        self._closed = False
        self._tasks: dict[str, _Task] = {}
        self._waiting: list[_Task] = []
        self._events: list[Event] = []
        self._runs = itertools.count(1)
        self._make_slots()

    @property
    def free(self) -> int:
        """How many more jobs it would start at once."""
        idle = sum(slot.task is None for slot in self._slots)
        return max(0, idle - sum(task.due <= time.monotonic() for task in self._waiting))

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of the workers that there are at the moment, by the worker's name."""
        links = ((slot.name, slot.link) for slot in self._slots)
        return {name: link.pid for name, link in links if link and link.pid}

    def submit(self, job: Job) -> None:
        """Take a job, and begin it where a worker is idle."""
        if job.key in self._tasks:
            raise ValueError(f"job {job.key}: is here already")
        if self._closed:
            raise ValueError("the engine is closed")
        task = self._tasks[job.key] = _Task(job)
        self._waiting.append(task)
        self._begin_waiting()

    def stop(self, key: str) -> None:
        """End a run after its current epoch, or at once where it is not being trained."""
        task = self._tasks.get(key)
        if task is None:
            return
        task.stopping = True
        if task in self._waiting:
            self._waiting.remove(task)
            self._end(task, "", "stopped")
        for slot in self._slots:
            if slot.task is task and slot.link:
                slot.link.stop(slot.run)

    def latencies(self, specs: Sequence[Spec], size: Size) -> list[float]:
        """Return the milliseconds an image on one device, measured beside idle workers."""
        if self._tasks:
            raise ValueError("latency is measured while no run is trained")
        return self._place.latencies(specs, size)

    def poll(self, timeout: float) -> list[Event]:
        """Return what has happened since the last call, at the latest after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            self._make_slots()
            self._begin_waiting()
            now = time.monotonic()
            soonest = min((deadline, *(task.due for task in self._waiting if task.due > now)))
            self._events += [Event("said", "", "", text=text) for text in self._place.news()]
            self._hear_workers(0 if self._events else max(0, soonest - now))
            if self._events or time.monotonic() >= deadline:
                self._begin_waiting()
                events, self._events = self._events, []
                return events

    def close(self) -> None:
        """End all workers at once; runs keep their last checkpoint."""
        if self._closed:
            return
        links = [slot.link for slot in self._slots if slot.link]
        try:
            for link in links:
                link.terminate()
            for link in links:
                link.wait()
        finally:  # a second Ctrl-C does not wait
            for link in links:
                link.kill()
            self._closed = True
            self._slots, self._waiting, self._tasks, self._events = [], [], {}, []
            self._place.close()

    def _make_slots(self) -> None:
        """Make a slot for each worker that there is room for; those of before stay as they are."""
        if self._closed:
            return
        devices = self._place.devices()
        for number in range(len(self._slots) + self._removed, len(devices)):
            device = devices[number]
            self._slots.append(_Slot(device, devices[:number].count(device)))

    def _begin_waiting(self) -> None:
        """Give waiting jobs that are due to idle workers, those already running first."""
        now = time.monotonic()
        due = [task for task in self._waiting if task.due <= now]
        idle = [slot for slot in self._slots if slot.task is None]
        idle.sort(key=lambda slot: 2 if slot.link is None else not slot.link.ready)
        for task, slot in zip(due, idle, strict=False):
            if slot.link is None:
                slot.link = self._place.start(slot.asked)
            if not slot.link.ready:
                continue  # the task waits for this worker, or for another one that is ready sooner
            self._waiting.remove(task)
            slot.task, slot.run, task.advanced = task, next(self._runs), False
            slot.link.train(slot.run, task.job)

    def _hear_workers(self, timeout: float) -> None:
        """Read what the workers tell."""
        by_link = {id(slot.link): slot for slot in self._slots if slot.link}
        links = [slot.link for slot in self._slots if slot.link]
        for link in self._place.wait(links, timeout):
            self._read(by_link[id(link)])

    def _read(self, slot: _Slot) -> None:
        link = slot.link
        if link is None:
            return
        for message in link.read():
            self._hear(slot, message)
        if link.ended and slot.link is link:
            task, name = slot.task, slot.name
            how = self._discard(slot)
            if task:
                self._failed(task, name, how)

    def _hear(self, slot: _Slot, message: Mapping[str, Any]) -> None:
        task = slot.task
        if task is None:
            return
        text = message.get("text", "")
        match message["kind"]:
            case "started":
                done, epochs = message["done"], message["epochs"]
                task.reached(done)
                start = (
                    f"going on after epoch {done} of {epochs}" if done else counted(epochs, "epoch")
                )
                self._tell("started", task, slot.name, start)
            case "epoch":
                curves = message["curves"]
                task.reached(len(curves["lr"]))
                self._tell("epoch", task, slot.name, curves=curves)
            case "said":
                self._tell("said", task, slot.name, text)
            case "finished" | "failed" | "stopped" as kind:
                slot.task = None
                self._end(task, slot.name, kind)
            case "refused":
                slot.task = None
                self._end(task, slot.name, "lost", text)
            case "held":
                slot.task = None
                self._hold(task, slot.name, text)
            case "memory" | "broken" as kind:
                self._broke(slot, task, kind, text)
            case kind:
                raise AssertionError(f"a worker reports '{kind}'")

    def _discard(self, slot: _Slot) -> str:
        """End the worker of a slot, and return how it ended."""
        link, slot.link, slot.task = slot.link, None, None
        assert link is not None
        if not link.ended:
            link.kill()
        return link.wait()

    def _broke(self, slot: _Slot, task: _Task, kind: str, text: str) -> None:
        """End a try in an error; where that is a full device, fewer runs share it from now on."""
        name, device = slot.name, slot.device
        sharing = sum(other.device == device for other in self._slots)
        # An error can leave a GPU's context unusable: only on the CPU the worker stays.
        if slot.asked == "cpu":
            slot.task = None
        else:
            self._discard(slot)
        if kind == "memory" and sharing > 1:
            self._slots.remove(slot)
            self._removed += 1
            fewer = f"{counted(sharing - 1, 'run')} at a time"
            full = f"{device}: out of memory with {sharing} runs at a time"
            self._tell("said", task, name, f"{full}; from now on {fewer}")
            self._again(task, name, text)
        else:
            self._failed(task, name, text)

    def _failed(self, task: _Task, worker: str, text: str) -> None:
        """Try a job again after a try that broke off, or give it up."""
        task.failures += not task.advanced
        if task.failures > self._retries and not task.stopping:
            tries = counted(task.failures, "try", "tries")
            text = f"given up after {tries} that reached no new checkpoint; the last one: {text}"
            self._end(task, worker, "lost", text)
        else:
            self._again(task, worker, text)

    def _hold(self, task: _Task, worker: str, text: str) -> None:
        """Let a job wait for the other process that trains it."""
        if task.stopping:
            self._end(task, worker, "stopped")
            return
        if not task.held:
            task.held = True
            self._tell("said", task, worker, f"{text}; waiting for it")
        task.due = time.monotonic() + self._held_seconds
        self._waiting.append(task)

    def _again(self, task: _Task, worker: str, text: str) -> None:
        """Let a job be the next one that is tried, unless it is to stop anyway."""
        if task.stopping:
            self._end(task, worker, "stopped")
            return
        self._tell("retried", task, worker, text)
        self._waiting.insert(0, task)

    def _end(self, task: _Task, worker: str, kind: EventKind, text: str = "") -> None:
        del self._tasks[task.job.key]
        self._tell(kind, task, worker, text)

    def _tell(
        self,
        kind: EventKind,
        task: _Task,
        worker: str,
        text: str = "",
        curves: Mapping[str, Any] | None = None,
    ) -> None:
        self._events.append(Event(kind, task.job.key, worker, curves, text))
