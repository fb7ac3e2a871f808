"""What a search space holds, by cost alone: every assignment of it, or a sample. Without torch."""

from __future__ import annotations

import gc
import heapq
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from fuseablate.cost import within
from fuseablate.io.cores import usable_cores
from fuseablate.space.counting import Counting, EditWriter, counted_assignments
from fuseablate.space.space import Assignment, Space, size_of
from fuseablate.spec import Size

TELL_EVERY = 500  # assignments between two calls of `tell`
WORTH_A_PROCESS = 10_000  # assignments that are worth a process


@dataclass(frozen=True)
class CountedTable:
    """A table that the space holds."""

    costs: Mapping[str, float]
    """Params, MACs and what a budget limits, by name."""
    number: int
    """That of the assignment that first gave it."""
    texts: tuple[str, ...]
    """The edits of that assignment, with those that change nothing."""


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
    the cheapest and of the largest are kept. As many processes count as there are usable cores and
    shares of the assignments, which changes no result. Ctrl-C ends the census with what there is
    so far.
    """
    total = size_of(space)
    whole = total is not None and total <= samples
    census = Census(total, total if whole and total is not None else samples, seed)
    counting = Counting(space, size, tuple(limits), None if whole else samples, seed)
    processes = max(1, min(usable_cores(), census.planned // WORTH_A_PROCESS))
    tables: set[int] = set()
    low = _Best(few, -1)
    high = _Best(few, 1)
    try:
        with _no_collector(), closing(counted_assignments(counting, processes)) as counts:
            for number, (params, count) in enumerate(counts):
                census.seen += 1
                if census.seen % TELL_EVERY == 0:
                    tell(census)
                if count is None:
                    continue
                census.networks += 1
                table, costs = count
                if table in tables:
                    continue
                tables.add(table)
                census.costs.append(costs)
                if not within(costs, limits):
                    continue
                census.within += 1
                low.offer(costs, number, params)
                high.offer(costs, number, params)
    except KeyboardInterrupt as stop:
        census.interruption = stop
    tell(census)
    write = EditWriter(space)
    census.cheapest, census.largest = low.tables(write), high.tables(write)
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
        self._heap: list[tuple[float, float, int, Mapping[str, float], Assignment]] = []

    def offer(self, costs: Mapping[str, float], number: int, params: Assignment) -> None:
        # The first goes next. No two numbers are equal, so that what follows is not compared.
        entry = (self._sign * costs["macs"], self._sign * costs["params"], -number, costs, params)
        if len(self._heap) < self._few:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    def tables(self, write: EditWriter) -> list[CountedTable]:
        """Return them, the best first."""
        return [
            CountedTable(costs, -negative, tuple(write(params)))
            for _, _, negative, costs, params in sorted(self._heap, reverse=True)
        ]
