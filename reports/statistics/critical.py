"""Critical values of `fuseablate.stats.spreads`, by simulation at the least favourable spreads.

    python reports/statistics/critical.py [FILE] [--repetitions N]

For each number of seeds and of comparisons: the quantiles of the largest |t| of all comparisons
with the reference where nothing differs, the largest of them over spreads that make it large:
some variants of one spread, the rest far below or at 0.4 of it, and a reference from hardly any
spread to all of it. Which of these are the worst is found with few repetitions, the quantiles of
those then with many. Fixed seeds; ten minutes of one core.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

from fuseablate.stats import spreads

SEEDS = (2, 3, 4, 5, 6, 8, 10, 15, 20)
COMPARISONS = (2, 3, 4, 6, 10, 20, 50, 100)
LEVELS = (0.5, 0.2, 0.1, 0.05, 0.03, 0.02, 0.01, 0.005, 0.002, 0.001)
# Spreads of the reference; the largest other is 1.
REFERENCES = (0.02, 0.4, 0.7, 1.0, 1.5, 2.5, 5.0, 12.0, 30.0)
WORST = 4  # settings that are looked at again, for each of two levels
CHUNK = 300_000  # numbers in memory at once: as many as a core keeps near


def settings(comparisons: int) -> list[np.ndarray]:
    """Return spreads (the reference's first) among which the least favourable are sought."""
    candidates = []
    for wide in sorted({1, 2, (comparisons + 1) // 2, comparisons}):
        for rest in (0.02, 0.4)[: 1 + (wide < comparisons)]:
            for reference in REFERENCES:
                spread = np.full(comparisons + 1, rest)
                spread[1 : 1 + wide] = 1.0
                spread[0] = reference
                candidates.append(spread)
    return candidates


def grubbs(scores: np.ndarray) -> np.ndarray:
    """Return the unbiased variance of each variant of complete blocks (..., variants, seeds)."""
    count, seeds = scores.shape[-2:]
    left = (
        scores
        - scores.mean(-1, keepdims=True)
        - scores.mean(-2, keepdims=True)
        + scores.mean((-2, -1), keepdims=True)
    )
    shares = (left**2).sum(-1) / (seeds - 1)
    mean = shares.sum(-1, keepdims=True) / (count - 1)
    variances: np.ndarray = (shares - mean / count) * count / (count - 2)
    return variances


def largest(
    spread: np.ndarray, seeds: int, repetitions: int, random: np.random.Generator
) -> np.ndarray:
    """Return the largest |t| of each repetition where all means are equal."""
    largest, size = [], max(1, CHUNK // (len(spread) * seeds))
    for start in range(0, repetitions, size):
        count = min(size, repetitions - start)
        scores = random.standard_normal((count, len(spread), seeds)) * spread[:, None]
        means = scores.mean(2)
        variances = spreads.floored(grubbs(scores))
        errors = np.sqrt((variances[:, 1:] + variances[:, :1]) / seeds)
        largest.append((np.abs(means[:, 1:] - means[:, :1]) / errors).max(1))
    return np.concatenate(largest)


def quantiles(seeds: int, comparisons: int, repetitions: int) -> np.ndarray:
    """Return the critical value at each of `LEVELS`."""
    random = np.random.default_rng((20261121, seeds, comparisons))
    tried = settings(comparisons)
    few = max(repetitions // 12, 1000)
    rough = np.array([np.quantile(largest(s, seeds, few, random), (0.95, 0.99)) for s in tried])
    again = {int(i) for column in rough.T for i in np.argsort(column)[-WORST:]}
    shares = 1 - np.array(LEVELS)
    return np.max(
        [np.quantile(largest(tried[i], seeds, repetitions, random), shares) for i in sorted(again)],
        axis=0,
    )


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=spreads.TABLE)
    parser.add_argument("--repetitions", type=int, default=60_000)
    args = parser.parse_args()
    rows = []
    for seeds in SEEDS:
        for comparisons in COMPARISONS:
            values = quantiles(seeds, comparisons, args.repetitions)
            rows.append([seeds, comparisons, *(f"{value:.4g}" for value in values)])
            print(*rows[-1], flush=True)
    with args.file.open("w", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["seeds", "comparisons", *LEVELS])
        writer.writerows(rows)


if __name__ == "__main__":
    main()
