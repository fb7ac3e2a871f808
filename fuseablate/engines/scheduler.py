"""What engines of workers share: which worker trains which job, and what is heard. Without torch.

Where the workers are, and how they are reached, is a `Workplace`'s to know; which job is tried
next, and whether once more, that of its `Tries`. A worker that dies takes its own run's try with
it, and nothing else. The run is tried again, by a fresh worker, from its last checkpoint.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fuseablate.engines.base import Event, Job
from fuseablate.engines.stacking import Stacking
from fuseablate.engines.tries import Slot, Task, Tries
from fuseablate.engines.workplace import Workplace
from fuseablate.io.terminal import counted
from fuseablate.spec import Size, Spec


class Scheduler:
    """An Engine whose runs are trained by the workers of a workplace.

    A worker that dies, and an error that is not the input's, end a try. A run that another process
    is training is looked at again every `held_seconds`, until it has a record or is free; meanwhile
    other jobs take its place. Runs of one network that wait together are given to one worker, as
    many as `stacking` says. Where memory is full, half as many are from then on; where K workers
    share a GPU, one fewer runs on it. Either is said and is no try.
    """

    def __init__(
        self,
        place: Workplace,
        retries: int,
        held_seconds: float,
        stacking: Stacking | None = None,
    ) -> None:
        self._place, self._tries = place, Tries(retries, held_seconds)
        self._stacking = stacking or Stacking()
        self._slots: list[Slot] = []
        self._removed = 0  # slots, for want of memory
        self._closed = False
        self._runs = itertools.count(1)
        self._make_slots()

    @property
    def free(self) -> int:
        """How many more jobs it would start at once, or soon where it stacks them."""
        room = sum(not slot.tasks for slot in self._slots)
        if self._stacking.most > 1:  # for the next stack to be a full one when a worker is free
            room = (room + len(self._slots)) * self._stacking.most
        return max(0, room - len(self._tries.due()))

    def submit(self, job: Job) -> None:
        """Take a job, and begin it where a worker is idle."""
        if job.key in self._tries.tasks:
            raise ValueError(f"job {job.key}: is here already")
        if self._closed:
            raise ValueError("the engine is closed")
        self._tries.add(job)
        if self._stacking.most == 1:  # else those that are submitted next may join it
            self._begin_waiting()

    def stop(self, key: str) -> None:
        """End a run after its current epoch, or at once where it is not being trained."""
        task = self._tries.tasks.get(key)
        if task is None:
            return
        self._tries.stop(task)
        for slot in self._slots:
            if slot.tasks.get(key) is task and slot.link:
                slot.link.stop(slot.numbers[key])

    def latencies(self, specs: Sequence[Spec], size: Size) -> list[float]:
        """Return the milliseconds an image on one device, measured beside idle workers."""
        if self._tries.tasks:
            raise ValueError("latency is measured while no run is trained")
        return self._place.latencies(specs, size)

    def poll(self, timeout: float) -> list[Event]:
        """Return what has happened since the last call, at the latest after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            self._make_slots()
            self._begin_waiting()
            soonest = min(deadline, self._tries.next_due())
            for text in self._place.news():
                self._tries.events.append(Event("said", "", "", text=text))
            now = time.monotonic()
            self._hear_workers(0 if self._tries.events else max(0, soonest - now))
            if self._tries.events or time.monotonic() >= deadline:
                self._begin_waiting()
                return self._tries.told()

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
            self._slots = []
            self._tries.forget()
            self._place.close()

    def _make_slots(self) -> None:
        """Make a slot for each worker that there is room for; those of before stay as they are."""
        if self._closed:
            return
        devices = self._place.devices()
        for number in range(len(self._slots) + self._removed, len(devices)):
            device = devices[number]
            self._slots.append(Slot(device, devices[:number].count(device)))

    def _begin_waiting(self) -> None:
        """Give waiting jobs that are due to idle workers, those already running first."""
        due = self._tries.due()
        idle = [slot for slot in self._slots if not slot.tasks]
        idle.sort(key=lambda slot: 2 if slot.link is None else not slot.link.ready)
        for place, slot in enumerate(idle):
            if not due:
                return
            # At most its share: else one worker would have them all, and others nothing to do.
            stack = self._stack(due, math.ceil(len(due) / (len(idle) - place)))
            due = [task for task in due if task not in stack]
            if slot.link is None:
                slot.link = self._place.start(slot.asked)
            if not slot.link.ready:
                continue  # they wait for this worker, or for another one that is ready sooner
            slot.tasks = {task.job.key: task for task in stack}
            slot.numbers = {task.job.key: next(self._runs) for task in stack}
            for task in stack:
                self._tries.waiting.remove(task)
                task.advanced = False
            (first, number), *_ = slot.numbers.items()
            others = tuple(task.job for task in stack[1:])
            slot.link.train(number, replace(slot.tasks[first].job, beside=others))

    def _stack(self, due: Sequence[Task], most: int) -> list[Task]:
        """Return the first of the tasks, and those that are trained with it: `most` in all."""
        first, *others = due
        if first.failures:
            return [first]
        sound = {task.job.key: task for task in others if not task.failures}
        chosen = self._stacking.chosen(first.job, [task.job for task in sound.values()])
        return [first, *(sound[job.key] for job in chosen[: most - 1])]

    def _hear_workers(self, timeout: float) -> None:
        """Read what the workers tell."""
        by_link = {id(slot.link): slot for slot in self._slots if slot.link}
        links = [slot.link for slot in self._slots if slot.link]
        for link in self._place.wait(links, timeout):
            self._read(by_link[id(link)])

    def _read(self, slot: Slot) -> None:
        link = slot.link
        if link is None:
            return
        for message in link.read():
            self._hear(slot, message)
        if link.ended and slot.link is link:
            tasks, name = list(slot.tasks.values()), slot.name
            how = self._discard(slot)
            for task in tasks:
                self._tries.failed(task, name, how)

    def _hear(self, slot: Slot, message: Mapping[str, Any]) -> None:
        key, text = message.get("key"), message.get("text", "")
        if message["kind"] in ("memory", "broken") and key is None:
            self._broke(slot, message["kind"], text)
            return
        for task in list(slot.tasks.values()):
            if key in (None, task.job.key):
                self._hear_of(task, slot, message, text)

    def _hear_of(self, task: Task, slot: Slot, message: Mapping[str, Any], text: str) -> None:
        match message["kind"]:
            case "started":
                task.reached(message["done"])
                self._tries.tell("started", task, slot.name, done=message["done"])
            case "epoch":
                curves = message["curves"]
                task.reached(len(curves["lr"]))
                self._tries.tell("epoch", task, slot.name, curves=curves)
            case "said":
                self._tries.tell("said", task, slot.name, text)
            case "finished" | "failed" | "stopped" as kind:
                del slot.tasks[task.job.key]
                self._tries.end(task, slot.name, kind)
            case "refused":
                del slot.tasks[task.job.key]
                self._tries.end(task, slot.name, "lost", text)
            case "held":
                del slot.tasks[task.job.key]
                self._tries.hold(task, slot.name, text)
            case "broken":  # of this run alone: the others of its stack go on
                del slot.tasks[task.job.key]
                self._tries.failed(task, slot.name, text)
            case kind:
                raise AssertionError(f"a worker reports '{kind}'")

    def _discard(self, slot: Slot) -> str:
        """End the worker of a slot, and return how it ended."""
        link, slot.link, slot.tasks = slot.link, None, {}
        assert link is not None
        if not link.ended:
            link.kill()
        return link.wait()

    def _broke(self, slot: Slot, kind: str, text: str) -> None:
        """End a try in an error; where that is a full device, fewer runs share it from now on."""
        name, device, tasks = slot.name, slot.device, list(slot.tasks.values())
        if not tasks:
            return
        sharing = sum(other.device == device for other in self._slots)
        # An error can leave a GPU's context unusable: only on the CPU the worker stays.
        if slot.asked == "cpu":
            slot.tasks = {}
        else:
            self._discard(slot)
        full = f"{device}: out of memory with"
        if kind == "memory" and len(slot.numbers) > 1:
            runs = len(slot.numbers)
            self._stacking.halve(runs)
            fewer = f"{counted(self._stacking.most, 'run')} a network"
            self._tries.tell("said", tasks[0], name, f"{full} {runs}; from now on {fewer}")
        elif kind == "memory" and sharing > 1:
            self._slots.remove(slot)
            self._removed += 1
            fewer = f"{counted(sharing - 1, 'run')} at a time"
            self._tries.tell(
                "said", tasks[0], name, f"{full} {sharing} runs at a time; from now on {fewer}"
            )
        else:
            for task in tasks:
                self._tries.failed(task, name, text)
            return
        for task in reversed(tasks):
            self._tries.again(task, name, text)
