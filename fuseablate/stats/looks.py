"""Looking at results before all seeds are trained, planned beforehand.

Looking and adding seeds until a verdict comes finds differences where there are none: at five
looks in 16 of 100 studies. Where the looks are planned, the error is spent over them: each look
takes the same smaller level (Pocock, Biometrika 64, 1977), so that the intervals of all looks
hold together (repeated confidence intervals; Jennison and Turnbull, 1989). A variant is settled
at the first look that gives it a verdict, and its interval of that look stays; the others and the
reference are trained on. `reports/statistics` has the simulated error, power and cost.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr

from fuseablate.runs import MATTERS
from fuseablate.seeds import Looks
from fuseablate.stats.analysis import analyse_scores
from fuseablate.stats.deltas import LEVEL, Analysis, Delta
from fuseablate.stats.fit import Scores
from fuseablate.stats.images import Rights
from fuseablate.stats.roots import crossing

# Of all looks: the sums of few seeds over their own estimates are less alike at two looks than the
# normal sums by which the levels are made, and so err a little more often together.
SPENT = 0.88 * LEVEL


@dataclass(frozen=True)
class Look:
    """One look at the results."""

    size: int
    """How many seeds of each are looked at."""
    analysis: Analysis
    unclear: frozenset[str]
    """The variants that no verdict has settled yet."""


def looked(
    scores: Scores,
    reference: str,
    looks: Looks,
    rights: Rights | None = None,
    *,
    matters: float = MATTERS,
    asked: Mapping[str, int] | None = None,
) -> Iterator[Look]:
    """Yield each look that the scores allow: all that are then unsettled have all its seeds.

    asked: how many seeds each variant was asked for. One that another metric or another smallest
    difference settled was asked for no more, and the looks go on without it.
    """
    seeds = sorted(scores[reference])
    waiting = [name for name in scores if name != reference]
    count = len(waiting)
    level = level_of(looks, count)
    for size in looks.sizes:
        wanted = seeds[:size]
        waiting = [name for name in waiting if asked is None or asked[name] >= size]
        if not waiting or len(wanted) < size:
            return
        names = (reference, *waiting)
        if not all(seed in scores[name] for name in names for seed in wanted):
            return
        table = {name: {seed: scores[name][seed] for seed in wanted} for name in names}
        analysis = analyse_scores(
            table, reference, rights, matters=matters, level=level, comparisons=count
        )
        waiting = [d.variant for d in analysis.deltas if d.verdict in ("unclear", "no claim")]
        yield Look(size, analysis, frozenset(waiting))


def undecided(
    scores: Scores, reference: str, looks: Looks, matters: float = MATTERS
) -> frozenset[str]:
    """Return the variants that need more seeds; none when all are settled or have the most.

    Before the first look is complete, all of them do.
    """
    unclear, size = frozenset(name for name in scores if name != reference), 0
    for look in looked(scores, reference, looks, matters=matters):
        unclear, size = look.unclear, look.size
    return frozenset() if size == looks.most else unclear


def analyse_looks(
    scores: Scores,
    reference: str,
    looks: Looks,
    rights: Rights | None = None,
    *,
    matters: float = MATTERS,
    asked: Mapping[str, int] | None = None,
) -> Analysis:
    """Return the last look's analysis, each variant with its difference of its own last look.

    asked: how many seeds each was asked for (`looked`). Before the first look is complete the
    scores are compared without a claim.
    """
    last: Look | None = None
    deltas: dict[str, Delta] = {}
    for look in looked(scores, reference, looks, rights, matters=matters, asked=asked):
        last = look
        deltas |= {delta.variant: delta for delta in look.analysis.deltas}
    if last is None:
        every = analyse_scores(scores, reference, rights, matters=matters)
        mute = tuple(replace(delta, robust=None, alike=None) for delta in every.deltas)
        why = f"No claim is made before the first planned look, at {looks.first} seeds of each."
        return replace(every, deltas=mute, method="one seed", why=why)
    ordered = tuple(deltas[name] for name in scores if name in deltas)
    at, many = looks.sizes.index(last.size) + 1, len(looks.sizes)
    why = f"Look {at} of {many}; the intervals of all looks hold together at 95 %. "
    return replace(last.analysis, deltas=ordered, why=why + last.analysis.why)


@functools.cache
def level_of(looks: Looks, count: int, overall: float = SPENT) -> float:
    """Return the level of each look at `count` comparisons, where `overall` is that of all.

    By normal sums. Of many comparisons each has a small share, and large sums at two looks are the
    less alike the larger they are: the level falls as the count grows.
    """
    share = 1 - (1 - overall) ** (1 / count)
    limit = crossing(lambda limit: _crosses(limit, looks.sizes) - share, high=4.0)
    return float(1 - (1 - 2 * ndtr(-limit)) ** count)


def _crosses(limit: float, sizes: tuple[int, ...]) -> float:
    """Return the chance that a sum of `size` normals exceeds `limit` deviations at some look.

    The density of those that have not yet, look by look (Armitage, McPherson and Rowe, 1969).
    """
    nodes, weights = np.polynomial.legendre.leggauss(60)
    at, inside, before = np.zeros(1), np.ones(1), 0
    for size in sizes:
        reach = limit * math.sqrt(size)
        there, sd = reach * nodes, math.sqrt(size - before)
        steps = np.exp(-(((there[:, None] - at) / sd) ** 2) / 2) / (sd * math.sqrt(2 * math.pi))
        at, inside, before = there, reach * weights * (steps @ inside), size
    return 1 - float(inside.sum())
