"""Main effects and two-way interactions of a factorial design.

A main effect is the mean of the variants at a level minus that of those at the baseline, over all
levels of the other factors; an interaction is how much larger one factor's effect is where the
other is at its level. Each effect has two intervals, as a difference has (`stats.analysis`):
`robust`, Student's t of the effects of each seed, which asks for no equal spreads, and `alike`, by
one variance for all variants. Those of one kind hold together by Bonferroni's level.

Combinations that are one network are one variant, which counts in each of them; its noise, which
is the same in all, adds up before it is squared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from scipy.special import stdtr, stdtrit

from fuseablate.runs import BASELINE
from fuseablate.seeds import Looks
from fuseablate.stats.deltas import LEVEL, Interval
from fuseablate.stats.fit import ROUNDING, Scores, spreads_differ
from fuseablate.stats.looks import level_of

Levels = Mapping[str, Sequence[Mapping[str, str]]]  # of a variant: its combinations, by factor


@dataclass(frozen=True)
class Effect:
    """One effect, in the unit of the scores, with its simultaneous 95 % intervals.

    An effect between the same networks on both sides is 0 by itself, and so are its intervals.
    """

    factors: tuple[str, ...]
    """One for a main effect, two for an interaction; `levels` likewise."""
    levels: tuple[str, ...]
    mean: float
    robust: Interval | None
    """None where every seed gives the effect the same, which is no spread to judge it by."""
    alike: Interval | None
    """None where the spreads of the variants visibly differ."""


def effects(
    scores: Scores, levels: Levels, *, interactions: bool = True, looks: Looks | None = None
) -> tuple[Effect, ...]:
    """Return the effects that the variants tell by the seeds that all of them share.

    None where these are fewer than two, or where they show no spread to judge by. looks: those
    that were planned, over which the error is spent.

    An effect is left out where a cell that it needs has no variant (a fractional design tells no
    interaction: leave `interactions` out).
    """
    names = [name for name in scores if name in levels]
    seeds = common_seeds([scores[name] for name in names])
    if len(names) < 2 or len(seeds) < 2:
        return ()
    values = np.array([[scores[name][seed] for seed in seeds] for name in names])
    df = (len(names) - 1) * (len(seeds) - 1)
    sd = math.sqrt(float((_residuals(values) ** 2).sum()) / df)
    if sd < ROUNDING:
        return ()
    contrasts = _contrasts([levels[name] for name in names], interactions)
    tested = max(1, sum(bool(weights.any()) for weights in contrasts.values()))
    level = level_of(looks, tested) / tested if looks else LEVEL / tested
    alike = not spreads_differ(
        {name: {seed: scores[name][seed] for seed in seeds} for name in names}
    )
    judged = []
    for (factors, chosen), weights in contrasts.items():
        by_seed = weights @ values  # by seed
        mean, root = float(by_seed.mean()), math.sqrt(len(seeds))
        own = float(by_seed.std(ddof=1))
        still = own < ROUNDING and weights.any()  # every seed gives it the same: no spread
        robust = None if still else _interval(mean, own / root, len(seeds) - 1, tested, level)
        pooled = _interval(mean, sd * math.sqrt(float(weights @ weights)) / root, df, tested, level)
        judged.append(Effect(factors, chosen, mean, robust, pooled if alike else None))
    return tuple(judged)


def common_seeds(scores: Sequence[Mapping[int, float]]) -> list[int]:
    """Return the seeds that all have."""
    return sorted(set[int].intersection(*map(set, scores))) if scores else []


def _interval(mean: float, error: float, df: int, count: int, level: float) -> Interval:
    reach = -float(stdtrit(df, level / 2)) * error
    p = min(1.0, count * 2 * float(stdtr(df, -abs(mean) / error))) if error else 1.0
    return Interval(mean - reach, mean + reach, p)


Contrasts = dict[tuple[tuple[str, ...], tuple[str, ...]], np.ndarray]


def _contrasts(variants: Sequence[Sequence[Mapping[str, str]]], interactions: bool) -> Contrasts:
    """Return the weight of each variant in each effect: the sum of those of its cells."""
    cells = [(at, cell) for at, some in enumerate(variants) for cell in some]
    factors = list(dict.fromkeys(factor for _, cell in cells for factor in cell))
    treated = {
        factor: [level for level in dict.fromkeys(cell[factor] for _, cell in cells)
                 if level != BASELINE]
        for factor in factors
    }  # fmt: skip
    contrasts: Contrasts = {}
    for count in (1, 2) if interactions else (1,):
        for some in combinations(factors, count):
            for chosen in product(*(treated[factor] for factor in some)):
                weights = np.zeros(len(variants))
                for corner in product((True, False), repeat=count):
                    wanted = [
                        level if take else BASELINE
                        for level, take in zip(chosen, corner, strict=True)
                    ]
                    there = np.zeros(len(variants))
                    for at, cell in cells:
                        there[at] += [cell[f] for f in some] == wanted
                    if not there.any():
                        break
                    weights += (-1) ** corner.count(False) * there / there.sum()
                else:
                    contrasts[some, chosen] = np.where(abs(weights) < ROUNDING, 0.0, weights)
    return contrasts


def _residuals(values: np.ndarray) -> np.ndarray:
    """Return what seed and variant leave over of a table (variants, seeds)."""
    rows, columns = values.mean(1, keepdims=True), values.mean(0, keepdims=True)
    left: np.ndarray = values - rows - columns + values.mean()
    return left
