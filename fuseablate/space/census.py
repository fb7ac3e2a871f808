"""What a search space holds, by cost alone: every assignment of it, or a sample. Without torch."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from fuseablate.cost import Variants
from fuseablate.space.fields import Value
from fuseablate.space.parameters import Parameter, value_at
from fuseablate.space.space import Assignment, Space, assignments, is_active, size_of
from fuseablate.spec import Size

TELL_EVERY = 500  # assignments between two calls of `tell`


@dataclass(frozen=True, order=True)
class Found:
    """A table that the space holds; `number` is that of the assignment that first gave it."""

    macs: int
    params: int
    number: int
    texts: tuple[str, ...] = field(compare=False)


_Ranked = tuple[int, int, int, Found]


@dataclass
class Census:
    """What was found. Costs are for one image; `costs` are (params, MACs) of distinct tables.

    assignments: how many the space has, None where a range is continuous. planned and seen: how
    many were to be looked at, and how many were. seed: that of what is drawn. networks: how many
    of those seen mean one. cheapest and largest: of the tables within the budget, by MACs.
    """

    assignments: int | None
    planned: int
    seed: int
    seen: int = 0
    networks: int = 0
    within: int = 0
    costs: list[tuple[int, int]] = field(default_factory=list)
    cheapest: list[Found] = field(default_factory=list)
    largest: list[Found] = field(default_factory=list)
    interruption: KeyboardInterrupt | None = None

    @property
    def sampled(self) -> bool:
        """Whether assignments were drawn, and not all of them looked at."""
        return self.assignments is None or self.planned < self.assignments


def take_census(
    space: Space,
    size: Size,
    limits: Mapping[str, int],
    *,
    samples: int,
    seed: int,
    few: int,
    tell: Callable[[Census], None] = lambda census: None,
) -> Census:
    """Look at every assignment of a space of at most `samples`, or draw so many of a larger one.

    `limits` are the most that a network may cost, by `macs` and `params`; `few` is how many of
    the cheapest and of the largest are kept. Ctrl-C ends the census with what there is so far.
    """
    total = size_of(space)
    whole = total is not None and total <= samples
    census = Census(total, total if whole and total is not None else samples, seed)
    every = assignments(space) if whole else drawn(space, samples, random.Random(seed))
    variants = Variants(space.spec, size)
    write = _Writer(space)
    most_macs = limits.get("macs", math.inf)
    most_params = limits.get("params", math.inf)
    tables: set[int] = set()
    low: list[_Ranked] = []  # heaps; the first is the one to go next
    high: list[_Ranked] = []
    try:
        for number, params in enumerate(every):
            texts = write(params)
            counted = variants.count(texts)
            census.seen += 1
            if census.seen % TELL_EVERY == 0:
                tell(census)
            if counted is None:
                continue
            census.networks += 1
            table, cost, macs = hash(counted.table), counted.params, counted.macs
            if table in tables:
                continue
            tables.add(table)
            census.costs.append((cost, macs))
            if macs > most_macs or cost > most_params:
                continue
            census.within += 1
            found = Found(macs, cost, number, tuple(texts))
            _keep(low, (-macs, -cost, -number, found), few)
            _keep(high, (macs, cost, -number, found), few)
    except KeyboardInterrupt as stop:
        census.interruption = stop
    tell(census)
    census.cheapest = sorted(one[-1] for one in low)
    census.largest = [one[-1] for one in sorted(high, reverse=True)]
    return census


def _keep(heap: list[_Ranked], one: _Ranked, few: int) -> None:
    if len(heap) < few:
        heapq.heappush(heap, one)
    else:
        heapq.heappushpop(heap, one)


def drawn(space: Space, count: int, draw: random.Random) -> Iterator[Assignment]:
    """Yield so many assignments, each parameter drawn evenly from its values or on its scale."""
    values = [(parameter, parameter.values()) for parameter in space.parameters]
    for _ in range(count):
        params: dict[str, Value] = {}
        for parameter, listed in values:
            if not is_active(parameter, params):
                continue
            params[parameter.name] = value_at(parameter, listed, draw.random())
        yield params


class _Writer:
    """Writes assignments as edits; those of a parameter with listed values only once."""

    def __init__(self, space: Space) -> None:
        self._parameters = space.parameters
        self._known: Mapping[str, dict[tuple[type, Value], tuple[str, ...]]] = {
            one.name: {} for one in space.parameters if one.values() is not None
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
