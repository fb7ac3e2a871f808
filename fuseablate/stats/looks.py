"""Looking at results before all seeds are trained, planned beforehand.

Looking and adding seeds until a verdict comes finds differences where there are none: at five
looks in 16 of 100 studies. Where the looks are planned, the error is spent over them: each look
takes a smaller level (Pocock, Biometrika 64, 1977), so that the intervals of all looks hold
together (repeated confidence intervals; Jennison and Turnbull, 1989). A variant is settled at the
first look that gives it a verdict, and its interval of that look stays; the others and the
reference are trained on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from fuseablate.stats.analysis import LEVEL, MATTERS, Analysis, Delta, Rights, analyse
from fuseablate.stats.fit import Scores


@dataclass(frozen=True)
class Looks:
    """Planned numbers of seeds: `first`, then `step` more at each look, up to `most`."""

    first: int
    step: int
    most: int

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of seeds at each look; the last may add fewer than `step`."""
        return (*range(self.first, self.most, self.step), self.most)

    @property
    def level(self) -> float:
        """The level of each look: together they have the error of one look at `LEVEL`."""
        return LEVEL / len(self.sizes)


@dataclass(frozen=True)
class Look:
    """One look at so many seeds: what was judged there, and who is unclear after it."""

    size: int
    analysis: Analysis
    unclear: frozenset[str]


def looked(
    scores: Scores,
    reference: str,
    looks: Looks,
    rights: Rights | None = None,
    matters: float = MATTERS,
) -> Iterator[Look]:
    """Yield each look that the scores allow: all that are then unsettled have all its seeds."""
    seeds = sorted(scores[reference])
    waiting = [name for name in scores if name != reference]
    count = len(waiting)
    for size in looks.sizes:
        wanted = seeds[:size]
        if not waiting or len(wanted) < size:
            return
        names = (reference, *waiting)
        if not all(seed in scores[name] for name in names for seed in wanted):
            return
        table = {name: {seed: scores[name][seed] for seed in wanted} for name in names}
        analysis = analyse(
            table, reference, rights, matters=matters, level=looks.level, comparisons=count
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
    matters: float = MATTERS,
) -> Analysis:
    """Return the last look's analysis, each variant with its difference of its own last look.

    Before the first look is complete the scores are compared without a claim.
    """
    last: Analysis | None = None
    deltas: dict[str, Delta] = {}
    for look in looked(scores, reference, looks, rights, matters):
        last = look.analysis
        deltas |= {delta.variant: delta for delta in last.deltas}
    if last is None:
        every = analyse(scores, reference, rights, matters=matters, level=looks.level)
        mute = tuple(replace(delta, robust=None, alike=None) for delta in every.deltas)
        why = f"No claim is made before the first planned look, at {looks.first} seeds of each."
        return replace(every, deltas=mute, method="one seed", why=why)
    ordered = tuple(deltas[name] for name in scores if name in deltas)
    return replace(last, deltas=ordered)
