"""Each variant against the reference: which interval, which verdict, and by which method.

Two methods. Where all variants have the same seeds, these are blocks: variants trained with one
seed saw the same batches. The model is seed + variant, with one variance for the whole study,
and the intervals are Dunnett's. Where seeds do not match, or Bartlett's test says at the level of
1 % that the variants differ in spread, the variances are not pooled: Welch's intervals,
Bonferroni's level, and Holm's adjusted p values. An interval that Holm's step-down rejects, and
that would reach past zero by Bonferroni's level, ends at zero: interval and verdict agree.

Two variants are one comparison: the paired t, which asks for no equal variances. All intervals
are t intervals; few seeds are what this is made for, and of ten or more the means are so nearly
normal that a bootstrap would add its own noise and no honesty.

Where every seed gives a variant the same difference there is no spread to make an interval of,
and no claim is made: two runs that chance to agree prove nothing.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import chdtrc, stdtr, stdtrit

from fuseablate.stats import dunnett

Scores = Mapping[str, Mapping[int, float]]  # of a variant, by seed
Rights = Mapping[str, Mapping[int, Sequence[bool]]]  # whether each test image was right
Verdict = Literal["better", "worse", "unclear", "no claim"]
Method = Literal["dunnett", "welch-holm", "one seed", "no spread", "no result"]
DIFFERS = 0.01  # the level of the test for unequal variances
ROUNDING = 1e-9  # a spread below it, in points, is that of floating point
LEVEL = dunnett.LEVEL


@dataclass(frozen=True)
class Delta:
    """A variant minus the reference, in the unit of the scores.

    n: its seeds. low, high: the simultaneous 95 % interval, and p the adjusted p value; None
    where no claim is made. image_sd: the standard error that comes from the test set being a
    sample, the networks given; None without results of each image. limit: which of the two
    errors, that of the seeds or that of the images, is the larger.
    """

    variant: str
    n: int
    mean: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    image_sd: float | None = None
    limit: Literal["seeds", "images"] | None = None

    @property
    def verdict(self) -> Verdict:
        """What the interval says: it holds zero, or lies on one side of it."""
        if self.low is None or self.high is None:
            return "no claim"
        return "better" if self.low > 0 else "worse" if self.high < 0 else "unclear"


@dataclass(frozen=True)
class Analysis:
    """All differences of a study, and how they were judged.

    why: the method in a sentence. sd: the standard deviation of one run, pooled over the study,
    with `df` degrees of freedom; seeds: of each variant, the fewest. comparisons: how many
    intervals hold together.
    """

    reference: str
    deltas: tuple[Delta, ...]
    method: Method
    why: str
    sd: float | None
    df: int | None
    seeds: int
    comparisons: int


def analyse(scores: Scores, reference: str, rights: Rights | None = None) -> Analysis:
    """Compare every variant that has scores with the reference."""
    base = scores[reference]
    others = [name for name in scores if name != reference]
    judged = [name for name in others if len(scores[name]) > 1]
    images = {name: _image_sd(rights, name, reference) for name in others}
    plain = {name: _plain(name, scores[name], base, images[name]) for name in others}
    if len(base) < 2 or not judged:
        method, why = _unjudged(len(base), max(len(scores[name]) for name in others))
        return Analysis(reference, tuple(plain.values()), method, why, None, None, 1, 0)
    table = {name: scores[name] for name in (reference, *judged)}
    seeds = min(len(mine) for mine in table.values())
    blocked = all(mine.keys() == base.keys() for mine in table.values())
    if blocked and (len(judged) == 1 or not _spreads_differ(table)):
        found, sd, df = _by_blocks(table, reference)
        method = "dunnett"
        why = (
            f"95 % intervals by the paired t: seeds are blocks ({_freedom(df)})."
            if len(judged) == 1
            else f"Dunnett's simultaneous 95 % intervals: seeds are blocks, and the variance is "
            f"pooled over {len(table)} variants ({_freedom(df)})."
        )
    else:
        found, sd, df = _by_welch(table, reference)
        method = "welch-holm"
        reason = "the variants differ in spread" if blocked else "the seeds do not match"
        why = f"Welch's 95 % intervals, adjusted by Bonferroni, and Holm's p values: {reason}."
    if not found:
        method = "no spread"
        why = (
            "There is no spread to judge by: every seed gives the same differences, and no claim "
            "is made."
        )
    deltas = []
    for name in others:
        if name not in found:
            deltas.append(plain[name])
            continue
        mean, error, low, high, p = found[name]
        image = images[name]
        limit: Literal["seeds", "images"] | None = (
            None if image is None else "images" if image > error else "seeds"
        )
        deltas.append(Delta(name, len(scores[name]), mean, low, high, p, image, limit))
    return Analysis(reference, tuple(deltas), method, why, sd, df, seeds, len(judged))


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


def _freedom(df: int) -> str:
    return f"{df} degree{'s' if df > 1 else ''} of freedom"


def _plain(
    name: str, mine: Mapping[int, float], base: Mapping[int, float], image: float | None
) -> Delta:
    mean = _mean(mine) - _mean(base) if mine and base else None
    return Delta(name, len(mine), mean, image_sd=image if mine and base else None)


Found = dict[str, tuple[float, float, float, float, float]]  # mean, its error, low, high, p


def _by_blocks(table: Scores, reference: str) -> tuple[Found, float, int]:
    seeds = sorted(table[reference])
    values = np.array([[mine[seed] for seed in seeds] for mine in table.values()])
    count, n = values.shape
    df = (count - 1) * (n - 1)
    sd = math.sqrt(float((_residuals(values) ** 2).sum()) / df)
    if sd < ROUNDING:
        return {}, 0.0, df
    error = sd * math.sqrt(2 / n)
    reach = dunnett.critical(count - 1, df) * error
    found: Found = {}
    for name in table:
        if name != reference:
            mean = _mean(table[name]) - _mean(table[reference])
            p = dunnett.probability(mean / error, count - 1, df)
            found[name] = (mean, error, mean - reach, mean + reach, p)
    return found, sd, df


def _by_welch(table: Scores, reference: str) -> tuple[Found, float, int]:
    """Return Welch's intervals, none for a variant that like the reference has no spread.

    A step-down rejection ends at zero what would reach past it.
    """
    others = [name for name in table if name != reference]
    each: dict[str, tuple[float, float, float, float]] = {}
    for name in others:
        mean = _mean(table[name]) - _mean(table[reference])
        parts = [_variance(table[one]) / len(table[one]) for one in (name, reference)]
        error = math.sqrt(sum(parts))
        if not error:
            continue
        sizes = [len(table[one]) for one in (name, reference)]
        below = sum(part**2 / (size - 1) for part, size in zip(parts, sizes, strict=True))
        df = error**4 / below
        p = float(2 * stdtr(df, -abs(mean) / error))
        each[name] = (mean, error, df, p)
    found: Found = {}
    highest = 0.0
    for rank, name in enumerate(sorted(each, key=lambda one: each[one][3])):
        mean, error, df, p = each[name]
        highest = max(highest, min(1.0, (len(others) - rank) * p))
        reach = -float(stdtrit(df, LEVEL / (2 * len(others)))) * error
        low, high = mean - reach, mean + reach
        if highest <= LEVEL and low <= 0 <= high:
            tiny = math.ulp(0.0)
            low, high = (tiny, high) if mean > 0 else (low, -tiny)
        found[name] = (mean, error, low, high, highest)
    sd = math.sqrt(statistics.mean(_variance(mine) for mine in table.values()))
    return found, sd, sum(len(mine) - 1 for mine in table.values())


def _residuals(values: np.ndarray) -> np.ndarray:
    """Return what seed and variant leave over of a table (variants, seeds)."""
    rows, columns = values.mean(1, keepdims=True), values.mean(0, keepdims=True)
    left: np.ndarray = values - rows - columns + values.mean()
    return left


def _spreads_differ(table: Scores) -> bool:
    """Test the scores of each variant for unequal variances, by Bartlett's statistic.

    Seeds that add the same to all variants make the test the more cautious.
    """
    variances = np.array([_variance(mine) for mine in table.values()])
    if variances.min() <= 0:
        return bool(variances.max() > 0)
    df, count = len(next(iter(table.values()))) - 1, len(variances)
    statistic = df * (count * math.log(variances.mean()) - np.log(variances).sum())
    statistic /= 1 + (count + 1) / (3 * count * df)
    return bool(chdtrc(count - 1, statistic) < DIFFERS)


def _image_sd(rights: Rights | None, name: str, reference: str) -> float | None:
    """Return the error of a difference over images, in percent; those of one image are paired."""
    if not rights or not rights.get(name) or not rights.get(reference):
        return None
    mine, base = (
        np.mean([np.asarray(one, dtype=float) for one in rights[which].values()], axis=0)
        for which in (name, reference)
    )
    if mine.shape != base.shape or len(mine) < 2:
        return None
    return 100 * float((mine - base).std(ddof=1)) / math.sqrt(len(mine))


def _mean(scores: Mapping[int, float]) -> float:
    return statistics.fmean(scores.values())


def _variance(scores: Mapping[int, float]) -> float:
    variance = statistics.variance(scores.values())
    return variance if variance > ROUNDING**2 else 0.0
