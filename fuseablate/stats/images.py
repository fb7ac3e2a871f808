"""What the test images, which are a sample too, add to the error of a difference.

Let d(s, i) be 1, 0 or -1: what a variant gains at image i with seed s. Its mean over n seeds and
m images errs by three parts: seeds, images, and what belongs to neither alone (at one image one
network is right and the next is wrong):

    Var = S / n + I / m + R / (n m)

The spread of the seeds' means shows S + R / m: an interval from the seeds holds the first part and
the third. The spread of the images' means shows I + R / n. So what images add to the error of the
seeds, their third part not counted twice, is

    I / m = Var(means of images) / m - R / (n m)

where R is the mean square of what seed and image leave over of d (0 of one seed, which tells
none). Where variant and reference have other seeds, R / n is the sum of both sides' own.

The errors of seeds and of images are independent. An interval of both reaches as far as the root
of the sum of the squares of what each reaches alone: the seeds by their own t, the images by the
normal at Bonferroni's level. It is exact where one error is nothing, and between rather wide:
Cochran's t for the problem of Behrens and Fisher, which is conservative, is never wider.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy.special import ndtri

from fuseablate.stats.deltas import Analysis, Interval

Rights = Mapping[str, Mapping[int, Sequence[bool]]]  # of a variant, by seed: each image's result


def image_error(rights: Rights | None, name: str, reference: str) -> float | None:
    """Return the standard error that images add to a difference, in points.

    None without a result of each image, of the same images for all runs.
    """
    if not rights or not rights.get(name) or not rights.get(reference):
        return None
    mine, base = rights[name], rights[reference]
    images = {len(run) for side in (mine, base) for run in side.values()}
    if len(images) > 1 or min(images) < 2:
        return None
    # A byte a result: of thousands of runs they are gigabytes as floats.
    table, other = (
        np.array([side[seed] for seed in sorted(side)], np.int8) for side in (mine, base)
    )
    sides = [table - other] if mine.keys() == base.keys() else [table, other]
    total = float((table.mean(0) - other.mean(0)).var(ddof=1)) / table.shape[1]
    seeds = sum(_left_over(side) / side.size for side in sides)
    return 100 * math.sqrt(max(0.0, total - seeds))


def _left_over(table: np.ndarray) -> float:
    """Return the mean square of what row and column leave over of 1, 0, -1; 0 of one row."""
    rows, columns = table.shape
    if rows < 2:
        return 0.0
    by_row, by_column = table.sum(1, dtype=float), table.sum(0, dtype=float)
    explained = (by_row**2).sum() / columns + (by_column**2).sum() / rows
    left = np.count_nonzero(table) - explained + by_row.sum() ** 2 / table.size
    return float(left / ((rows - 1) * (columns - 1)))


def widened(analysis: Analysis) -> Analysis:
    """Return an analysis whose intervals hold the error of the images beside that of the seeds.

    They have no p value. A variant without a result of each image keeps no interval.
    """
    limit = -float(ndtri(analysis.level / (2 * max(1, analysis.comparisons))))

    def wide(interval: Interval | None, mean: float | None, error: float | None) -> Interval | None:
        if interval is None or mean is None or error is None:
            return None
        reach = math.hypot(interval.high - mean, limit * error)
        return replace(interval, low=mean - reach, high=mean + reach, p=None)

    deltas = tuple(
        replace(
            delta,
            robust=wide(delta.robust, delta.mean, delta.image_se),
            alike=wide(delta.alike, delta.mean, delta.image_se),
        )
        for delta in analysis.deltas
    )
    why = f"{analysis.why} Each interval holds the error of the test images as well."
    return replace(analysis, deltas=deltas, why=why)
