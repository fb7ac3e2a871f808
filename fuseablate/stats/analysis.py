"""Each variant against the reference: two simultaneous intervals, and which verdict each bears.

No one method is both strong at 2 to 5 seeds and right whatever the spreads of the variants are,
so a verdict says what it rests on. `alike`: one variance for all variants, and Dunnett's
intervals; they hold if spreads are alike, and are not given where Bartlett's test at the level of
1 % sees that they differ, which it seldom can. `robust`: each variant's own variance
(`stats.spreads`); they hold whatever the spreads. Two variants in blocks are one comparison: the
paired t, which asks for no equal variances. `reports/statistics` has the simulated error and power.

All intervals are t intervals; few seeds are what this is made for, and of ten or more the means
are so nearly normal that a bootstrap would add its own noise and no honesty. Where every seed
gives all variants the same differences there is no spread to make an interval of, and no claim is
made: two runs that chance to agree prove nothing.
"""

from __future__ import annotations

import math
import statistics

import numpy as np

from fuseablate.runs import MATTERS
from fuseablate.stats import dunnett, spreads
from fuseablate.stats.deltas import LEVEL, Analysis, Delta, Interval, Method
from fuseablate.stats.fit import ROUNDING, Fit, Scores, fit, spreads_differ
from fuseablate.stats.images import Rights, image_error


def analyse_scores(
    scores: Scores,
    reference: str,
    rights: Rights | None = None,
    *,
    matters: float = MATTERS,
    level: float = LEVEL,
    comparisons: int | None = None,
) -> Analysis:
    """Compare every variant that has scores with the reference.

    level: of all intervals together; comparisons: of how many, where that is more than are here.
    """
    base = scores[reference]
    others = [name for name in scores if name != reference]
    judged = [name for name in others if len(scores[name]) > 1]
    plain = {name: _plain(scores, name, reference, rights, matters) for name in others}
    if len(base) < 2 or not judged:
        method, why = _unjudged(len(base), max(len(scores[name]) for name in others))
        return Analysis(reference, tuple(plain.values()), method, why)
    table = {name: scores[name] for name in (reference, *judged)}
    fitted = fit(table, reference)
    count = max(len(judged), comparisons or 0)
    if fitted.pooled < ROUNDING**2:
        why = (
            "There is no spread to judge by: every seed gives the same differences, and no claim "
            "is made."
        )
        return Analysis(reference, tuple(plain.values()), "no spread", why, 0.0, fitted.df)
    alike = not spreads_differ(table)
    errors, robust = _robust(fitted, count, level)
    pooled = _alike(fitted, count, level) if alike else [None] * len(judged)
    deltas = dict(plain)
    for at, name in enumerate(judged):
        deltas[name] = Delta(
            name,
            len(scores[name]),
            float(fitted.differences[at]),
            robust[at],
            pooled[at],
            matters,
            float(errors[at]),
            plain[name].image_se,
        )
    return Analysis(
        reference=reference,
        deltas=tuple(deltas.values()),
        method="intervals",
        why=_why(fitted, count, level, alike),
        sd=math.sqrt(fitted.pooled),
        df=fitted.df,
        own=dict(zip(table, np.sqrt(_variances(fitted)).tolist(), strict=True)),
        # Of two in blocks those that one side lacks tell nothing.
        seeds=fitted.df + 1 if fitted.own is None else int(fitted.counts.min()),
        base=int(fitted.counts[0]),
        comparisons=count,
        level=level,
        blocked=fitted.blocked,
        alike=alike,
    )


def _unjudged(base: int, most: int) -> tuple[Method, str]:
    """Return why nothing is judged: the seeds of the reference, and the most of a variant."""
    if not base and not most:
        return "no result", "No run has a result, so that nothing can be compared."
    if not base:
        return "no result", "The reference has no result, so that nothing can be compared with it."
    if not most:
        return "no result", "No variant has a result that could be compared with the reference."
    which = " of the reference" if most > 1 else " of each variant" if base > 1 else ""
    return "one seed", f"One seed{which}: differences may be seed noise, and no claim is made."


def _plain(
    scores: Scores, name: str, reference: str, rights: Rights | None, matters: float
) -> Delta:
    """Return the difference of two means, without an interval."""
    mine, base = scores[name], scores[reference]
    if not mine or not base:
        return Delta(name, len(mine), None, matters=matters)
    mean = statistics.fmean(mine.values()) - statistics.fmean(base.values())
    image = image_error(rights, name, reference)
    return Delta(name, len(mine), mean, matters=matters, image_se=image)


def _variances(fitted: Fit) -> np.ndarray:
    """Return each variant's variance as the robust intervals take it."""
    if fitted.own is None:
        return np.full(len(fitted.counts), fitted.pooled)
    if len(fitted.own) == 2:
        both: np.ndarray = np.maximum(fitted.own, 0)
        return both
    return spreads.floored(fitted.own)


def _robust(fitted: Fit, count: int, level: float) -> tuple[np.ndarray, list[Interval]]:
    """Return the standard errors of the differences, and the intervals.

    A pair has no mean variance to lend it a floor: its t is adjusted by Bonferroni where it is
    one of more comparisons.
    """
    errors = np.sqrt(fitted.shares @ _variances(fitted))
    seeds, base = fitted.counts[1:], int(fitted.counts[0])
    if fitted.own is None:  # as many pairs
        seeds, base = np.array([fitted.df + 1]), fitted.df + 1
    times, many = (count, 1) if len(fitted.counts) == 2 else (1, count)
    intervals = []
    for mean, error, n in zip(fitted.differences.tolist(), errors.tolist(), seeds, strict=True):
        reach = spreads.critical(many, int(n), base, level / times) * error
        p = min(1.0, times * spreads.probability(mean / error, many, int(n), base))
        intervals.append(Interval(mean - reach, mean + reach, p))
    return errors, intervals


def _alike(fitted: Fit, count: int, level: float) -> list[Interval]:
    df, correlation = fitted.df, fitted.correlation
    limit = dunnett.critical(count, df, level, correlation)
    errors = np.sqrt(fitted.pooled * fitted.shares.sum(1))
    intervals = []
    for mean, error in zip(fitted.differences.tolist(), errors.tolist(), strict=True):
        p = dunnett.probability(mean / error, count, df, correlation)
        intervals.append(Interval(mean - limit * error, mean + limit * error, p))
    return intervals


def _why(fitted: Fit, count: int, level: float, alike: bool) -> str:
    sure = f"{100 * (1 - level):.3g} %"
    freedom = f"{fitted.df} degree{'s' if fitted.df > 1 else ''} of freedom"
    if fitted.own is None and count == 1:
        said = f"{sure} interval by the paired t ({freedom}): it holds whatever the spreads."
        return said + _pairing(fitted)
    together = f"{sure} intervals that hold together" if count > 1 else f"{sure} interval"
    seeds = _pairing(fitted)
    own = f"{together}. Whatever the spreads: each variant's own variance"
    if len(fitted.counts) > 2:
        own += ", none taken below half of their mean"
    if not alike:
        return f"{own}; no other is given, since the spreads visibly differ.{seeds}"
    return f"{own}. If spreads are alike: one variance for all (Dunnett; {freedom}).{seeds}"


def _pairing(fitted: Fit) -> str:
    """Return what a reader who compares means must know of the differences."""
    if not fitted.blocked:
        return " Too few runs share a seed: they are not paired."
    if len(set(fitted.counts.tolist())) > 1:
        return (
            " Runs are paired by seed: where one side lacks a seed, their difference is not that "
            "of the two means."
        )
    return ""
