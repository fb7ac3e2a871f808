"""What a search space holds, by cost alone: every assignment of it, or a sample. Without torch."""

from __future__ import annotations

import gc
import heapq
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from fuseablate.cost import SUMMARY, Variants, within
from fuseablate.space.fields import Value
from fuseablate.space.parameters import Parameter, value_at
from fuseablate.space.space import Assignment, Space, assignments, is_active, size_of
from fuseablate.spec import Size

TELL_EVERY = 500  # assignments between two calls of `tell`


@dataclass(frozen=True)
class CountedTable:
    """A table that the space holds."""

    costs: Mapping[str, float]
    """Params, MACs and what a budget limits, by name."""
    number: int
    """That of the assignment that first gave it."""
    texts: tuple[str, ...]
    """The edits of that assignment, with those that change nothing."""

    @property
    def rank(self) -> tuple[float, float]:
        """What orders tables by their cost."""
        return self.costs["macs"], self.costs["params"]


@dataclass
class Census:
    """What a space holds. Costs are for one image."""

    assignments: int | None
    """How many the space has; None where a range is continuous."""
    planned: int
    """How many were to be looked at."""
    seed: int
    """That of what is drawn."""
    seen: int = 0
    """How many were looked at."""
    networks: int = 0
    """How many of those mean one."""
    within: int = 0
    """How many distinct tables are within the budget."""
    costs: list[Mapping[str, float]] = field(default_factory=list)
    """Those of distinct tables."""
    cheapest: list[CountedTable] = field(default_factory=list)
    """Of the tables within the budget, by MACs and then params."""
    largest: list[CountedTable] = field(default_factory=list)
    interruption: KeyboardInterrupt | None = None

    @property
    def sampled(self) -> bool:
        """Whether assignments were drawn, and not all of them looked at."""
        return self.assignments is None or self.planned < self.assignments


def take_census(
    space: Space,
    size: Size,
    limits: Mapping[str, float],
    *,
    samples: int,
    seed: int,
    few: int,
    tell: Callable[[Census], None] = lambda census: None,
) -> Census:
    """Look at every assignment of a space of at most `samples`, or draw so many of a larger one.

    `limits` are the most that a network may cost, by the name of the cost; `few` is how many of
    the cheapest and of the largest are kept. Ctrl-C ends the census with what there is so far.
    """
    total = size_of(space)
    whole = total is not None and total <= samples
    census = Census(total, total if whole and total is not None else samples, seed)
    every = assignments(space) if whole else draw_assignments(space, samples, random.Random(seed))
    names = tuple(dict.fromkeys((*SUMMARY, *limits)))
    write = _Writer(space)
    tables: set[int] = set()
    low = _Best(few, -1)
    high = _Best(few, 1)
    try:
        with _no_collector():
            variants = Variants(space.spec, size, limits)
            for number, params in enumerate(every):
                texts = write(params)
                counted = variants.count(texts)
                census.seen += 1
                if census.seen % TELL_EVERY == 0:
                    tell(census)
                if counted is None:
                    continue
                census.networks += 1
                if counted.table in tables:
                    continue
                tables.add(counted.table)
                known = counted.costs
                costs = {name: known[name] for name in names}
                census.costs.append(costs)
                if not within(costs, limits):
                    continue
                census.within += 1
                table = CountedTable(costs, number, tuple(texts))
                low.offer(table)
                high.offer(table)
            del variants  # at once, before the collector looks through what it remembers
    except KeyboardInterrupt as stop:
        census.interruption = stop
    tell(census)
    census.cheapest, census.largest = low.tables(), high.tables()
    return census


@contextmanager
def _no_collector() -> Iterator[None]:
    """Look for no cycles of garbage meanwhile.

    Hundreds of thousands of rows are remembered, none of them in a cycle: looking through them
    again and again would take half of the time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Best:
    """The few largest tables, or with `sign` -1 the few cheapest; of equal ones the first."""

    def __init__(self, few: int, sign: int) -> None:
        self._few, self._sign = few, sign
        self._heap: list[tuple[float, float, int, CountedTable]] = []  # the first goes next

    def offer(self, table: CountedTable) -> None:
        macs, params = table.rank
        entry = (self._sign * macs, self._sign * params, -table.number, table)
        if len(self._heap) < self._few:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    def tables(self) -> list[CountedTable]:
        """Return them, the best first."""
        return [entry[-1] for entry in sorted(self._heap, reverse=True)]


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


class _Writer:
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
