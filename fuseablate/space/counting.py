"""Assignments counted, by this process and by others beside it. Without torch.

All processes go through the same assignments, which takes little of the time, and each counts every
so many blocks of them. So what comes out, and in which order, is that of one process. The others
are no children of `multiprocessing`, which would run a user's script once more.
"""

from __future__ import annotations

import gc
import pickle
import random
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from tempfile import TemporaryFile
from typing import IO, cast

from fuseablate.cost import SUMMARY, Variants
from fuseablate.io.interpreter import python_like_this
from fuseablate.plugins import added, plugin_sources, register, run_plugins
from fuseablate.space.fields import Value
from fuseablate.space.parameters import Parameter, value_at
from fuseablate.space.space import Assignment, Space, assignments, is_active
from fuseablate.spec import Size

COUNTED_AT_ONCE = 250  # assignments of a block; a pipe holds what comes of a few blocks
COUNTED_PARTS = ("ops", "activations", "costs")  # kinds of parts that a count depends on
CountedCosts = tuple[int, Mapping[str, float]] | None
"""What tells the table from others, and its costs by name; None where there is no network."""


@dataclass(frozen=True)
class Counting:
    """What is to be counted."""

    space: Space
    size: Size
    """Of an image (height, width)."""
    limits: tuple[str, ...]
    """Costs that count, beside those of a summary."""
    samples: int | None
    """How many assignments are drawn; None where all are looked at."""
    seed: int
    """That of what is drawn."""

    def blocks(self, length: int) -> Iterator[list[Assignment]]:
        """Yield the assignments, so many at a time."""
        every: Iterator[Assignment]
        if self.samples is None:
            every = assignments(self.space)
        else:
            every = draw_assignments(self.space, self.samples, random.Random(self.seed))
        while block := list(islice(every, length)):
            yield block


def counted_assignments(
    counting: Counting, processes: int
) -> Generator[tuple[Assignment, CountedCosts], None, None]:
    """Yield each assignment with its count.

    What was to be counted by another process that can't be started, can't import a part that was
    registered here, or has died, is counted by this one. Closing it ends the others.
    """
    counter = _Counter(counting)
    others: list[_Other] = []
    try:
        for turn in range(1, processes):
            others.append(_Other(counting, turn, processes))
        for number, block in enumerate(counting.blocks(COUNTED_AT_ONCE)):
            turn = number % processes
            counts = others[turn - 1].counts() if turn else None
            for at, params in enumerate(block):
                yield params, counter.count(params) if counts is None else counts[at]
    finally:
        for other in others:
            other.end()


class _Other:
    """Another process, which counts the blocks of its turn."""

    def __init__(self, counting: Counting, turn: int, processes: int) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        # Not by a pipe: closing that of a process that Ctrl-C has ended is an error of its own, in
        # whose place Ctrl-C would be lost.
        with suppress(Exception), TemporaryFile() as file:  # a part that is no module's, or no room
            python, environment = python_like_this()
            known = added()
            parts = {kind: known[kind] for kind in COUNTED_PARTS}
            given = [plugin_sources(), parts, (counting, turn, processes, COUNTED_AT_ONCE)]
            file.write(b"".join(map(pickle.dumps, given)))
            file.seek(0)
            self._process = subprocess.Popen(
                [*python, "-c", f"from {__name__} import main; main()"],
                env=environment,
                stdin=file,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )

    def counts(self) -> list[CountedCosts] | None:
        """Return those of its next block; None where there are none to come."""
        if self._process:
            with suppress(EOFError, pickle.UnpicklingError):  # it has died
                counts: list[CountedCosts] = pickle.load(cast("IO[bytes]", self._process.stdout))
                return counts
            self.end()
        return None

    def end(self) -> None:
        """Have it count no more."""
        if self._process:
            with self._process as process:  # which closes its pipe, and waits for its end
                process.kill()
            self._process = None


def main() -> None:
    """Count what the standard input asks for, until all is counted or the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    gc.disable()
    given, target = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # what a plug-in prints
    run_plugins(pickle.load(given))
    for kind, parts in pickle.load(given).items():
        for name, part in parts.items():
            register(kind, name, part)
    counting, turn, processes, block = pickle.load(given)
    counter = _Counter(counting)
    for number, some in enumerate(counting.blocks(block)):
        if number % processes == turn:
            pickle.dump([counter.count(params) for params in some], target)
            target.flush()


class _Counter:
    """Counts assignments one after another."""

    def __init__(self, counting: Counting) -> None:
        self._names = tuple(dict.fromkeys((*SUMMARY, *counting.limits)))
        self._write = EditWriter(counting.space)
        self._variants = Variants(counting.space.spec, counting.size, counting.limits)

    def count(self, params: Assignment) -> CountedCosts:
        counted = self._variants.count(self._write(params))
        if counted is None:
            return None
        known = counted.costs
        return counted.table, {name: known[name] for name in self._names}


def draw_assignments(space: Space, count: int, draw: random.Random) -> Iterator[Assignment]:
    """Yield so many assignments, each parameter drawn evenly from its values or on its scale."""
    values = [(parameter, parameter.values()) for parameter in space.parameters]
    for _ in range(count):
        params: dict[str, Value] = {}
        for parameter, listed in values:
            if parameter.when and not is_active(parameter, params):
                continue
            params[parameter.name] = value_at(parameter, listed, draw.random())
        yield params


class EditWriter:
    """Writes assignments as edits; those of a parameter with listed values only once."""

    def __init__(self, space: Space) -> None:
        self._parameters = space.parameters
        self._known: Mapping[str, dict[tuple[type, Value], tuple[str, ...]]] = {
            entry.name: {} for entry in space.parameters if entry.values() is not None
        }

    def __call__(self, params: Assignment) -> list[str]:
        texts: list[str] = []
        for parameter in self._parameters:
            if parameter.name in params:
                texts += self._edits(parameter, params[parameter.name])
        return texts

    def _edits(self, parameter: Parameter, value: Value) -> tuple[str, ...]:
        known = self._known.get(parameter.name)
        if known is None:
            return parameter.edits(value)
        key = (type(value), value)  # true and 1 are equal, and written otherwise
        if key not in known:
            known[key] = parameter.edits(value)
        return known[key]
