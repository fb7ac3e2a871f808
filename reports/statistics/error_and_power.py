"""Family-wise error and power of the two kinds of intervals, over a grid, by simulation.

    python reports/statistics/error_and_power.py [FILE] [--repetitions N]

Each cell is one number of seeds, one of variants (besides the reference) and one scenario. Error:
the share of studies with at least one claim of a difference where there is none. Power: how
often a variant is seen that lies three standard deviations of a run from the reference (its own
where it has a spread of its own), all others being equal to it.

The studies of a cell are computed together from the definitions, with matrices made by brute
force; the first few of each are given to `fuseablate.stats.analyse_scores` too, which must agree.
Fixed seeds; some minutes of one core at 20,000 repetitions.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import chdtrc, stdtr, stdtrit

from fuseablate.stats import analyse_scores, dunnett, spreads
from fuseablate.stats.analysis import LEVEL
from fuseablate.stats.fit import DIFFERS, fit

HERE = Path(__file__).parent
SEEDS = (2, 3, 5, 10)
VARIANTS = (2, 4, 10, 20)
AGREE = 25  # studies of a cell that `analyse_scores` repeats
SIZE = 3.0  # standard deviations: the difference whose power is told
Draw = Callable[[np.random.Generator, int, int, int], np.ndarray]


@dataclass(frozen=True)
class Scenario:
    """draw: scores (repetitions, 1 + variants, seeds) of equal means, the reference first.

    extra: seeds that the reference has beyond the others; missing: whether the last variant
    lacks its last seed. alike: whether all have one spread.
    """

    name: str
    draw: Draw
    alike: bool
    extra: int = 0
    missing: bool = False


def normal(reference: float = 1.0, one: float = 1.0) -> Draw:
    """Return the draw of normal scores with spreads of 1 but for the reference and one variant."""

    def draw(random: np.random.Generator, count: int, variants: int, seeds: int) -> np.ndarray:
        scores = random.standard_normal((count, variants + 1, seeds))
        scores[:, 0] *= reference
        scores[:, 1] *= one
        return scores

    return draw


def log_normal(random: np.random.Generator, count: int, variants: int, seeds: int) -> np.ndarray:
    """Draw each variant's spread anew in each study: exp of a normal with a deviation of 0.5."""
    spread = np.exp(0.5 * random.standard_normal((count, variants + 1, 1)))
    scores: np.ndarray = spread * random.standard_normal((count, variants + 1, seeds))
    return scores


def seed_effects(random: np.random.Generator, count: int, variants: int, seeds: int) -> np.ndarray:
    """Draw scores to which each seed adds the same of all variants, with a deviation of 2."""
    scores = random.standard_normal((count, variants + 1, seeds))
    return scores + 2 * random.standard_normal((count, 1, seeds))


def images(random: np.random.Generator, count: int, variants: int, seeds: int) -> np.ndarray:
    """Draw whole images of a test, in units of the 1.5 images by which runs differ."""
    scores = random.standard_normal((count, variants + 1, seeds))
    return np.round(1.5 * scores) / 1.5


SCENARIOS = (
    Scenario("equal spreads", normal(), True),
    Scenario("seed effects of sd 2", seed_effects, True),
    Scenario("one seed missing", normal(), True, missing=True),
    Scenario("seed effects, one seed missing", seed_effects, True, missing=True),
    Scenario("reference with twice the seeds", normal(), True, extra=1),
    Scenario("reference with five times the seeds", normal(), True, extra=4),
    Scenario("whole images, sd of 1.5", images, True),
    Scenario("reference of sd 3", normal(reference=3.0), False),
    Scenario("reference of sd 1/3", normal(reference=1 / 3), False),
    Scenario("one variant of sd 4", normal(one=4.0), False),
    Scenario("log-normal spreads", log_normal, False),
    Scenario("reference of sd 3, one seed missing", normal(reference=3.0), False, missing=True),
    Scenario("reference of sd 3, twice the seeds", normal(reference=3.0), False, extra=1),
)


def there(scenario: Scenario, variants: int, seeds: int) -> np.ndarray:
    """Return which scores there are (1 + variants, all seeds)."""
    present = np.zeros((variants + 1, seeds * (1 + scenario.extra)), dtype=bool)
    present[0] = True
    present[1:, :seeds] = True
    if scenario.missing:
        present[-1, seeds - 1] = False
    return present


@dataclass(frozen=True)
class Judged:
    """Of each study and comparison whether it is claimed to differ, by each method."""

    robust: np.ndarray
    alike: np.ndarray
    verdict: np.ndarray  # alike where the spreads do not visibly differ, elsewhere robust
    bonferroni: np.ndarray | None
    welch: np.ndarray


def judge(
    scores: np.ndarray, mask: np.ndarray, level: float = LEVEL, comparisons: int | None = None
) -> Judged:
    """Judge studies (repetitions, variants, seeds) with the scores that `mask` says are there."""
    count = len(mask) - 1
    many = comparisons or count
    which, when = np.nonzero(mask)
    observed = scores[:, which, when]  # (repetitions, N)
    names = [str(at) for at in range(count + 1)]
    example = {
        name: dict.fromkeys(np.nonzero(row)[0].tolist(), 0.0)
        for name, row in zip(names, mask, strict=True)
    }
    blocked = fit(example, "0").blocked
    columns = [which == at for at in range(count + 1)]
    if blocked:
        columns += [when == at for at in range(mask.shape[1])]
    design = np.stack(columns, 1).astype(float)
    solve = np.linalg.pinv(design)
    weights = solve[1 : count + 1] - solve[0]
    keep = np.eye(len(which)) - design @ solve
    groups = np.stack([which == at for at in range(count + 1)]).astype(float)
    rest = observed @ keep
    squares = rest**2 @ groups.T
    df = len(which) - int(np.linalg.matrix_rank(design))
    differences = observed @ weights.T
    pooled = squares.sum(1) / df
    sizes = (weights**2) @ groups.T  # (count, variants)
    if count == 1 and blocked:  # the paired t
        errors = np.sqrt(pooled[:, None] * sizes.sum(1))
        limits = np.array([spreads.critical(1, df + 1, df + 1, level / many)])
    else:
        own = np.linalg.lstsq(groups @ keep**2 @ groups.T, squares.T, rcond=None)[0].T
        errors = np.sqrt(spreads.floored(own) @ sizes.T)
        n, base = mask.sum(1)[1:].tolist(), int(mask[0].sum())
        limits = np.array([spreads.critical(many, each, base, level) for each in n])
    robust = np.abs(differences) > limits * errors
    crossed = weights @ weights.T
    norms = np.sqrt(np.diag(crossed))
    correlations = (crossed / np.outer(norms, norms))[~np.eye(count, dtype=bool)]
    correlation = round(float(correlations.min()), 12) if count > 1 else 0.5
    limit = dunnett.critical(many, df, level, correlation)
    alike = np.abs(differences) > limit * np.sqrt(pooled[:, None] * sizes.sum(1))
    raw, n = _raw(observed, groups)
    welch = _welch(observed, groups, raw, n)
    bonferroni = _paired(scores) if mask.all() else None
    visible = _visible(raw, n)
    verdict = np.where(visible[:, None], robust, alike)
    return Judged(robust, alike, verdict, bonferroni, welch)


def _raw(observed: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n = groups.sum(1)
    means = observed @ groups.T / n
    return ((observed - means @ groups) ** 2 @ groups.T) / (n - 1), n


def _visible(raw: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Bartlett's test at the level of 1 %; a variant without spread beside others that have one."""
    df = n - 1
    pooled = (raw * df).sum(1) / df.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        value = df.sum() * np.log(pooled) - (df * np.log(raw)).sum(1)
        value /= 1 + ((1 / df).sum() - 1 / df.sum()) / (3 * (len(df) - 1))
        differ: np.ndarray = chdtrc(len(df) - 1, value) < DIFFERS
    return differ | ((raw <= 1e-18).any(1) & (raw > 1e-18).any(1))


def _welch(observed: np.ndarray, groups: np.ndarray, raw: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Judge by Welch's t with Holm's step-down: a candidate."""
    means = observed @ groups.T / n
    parts = raw / n
    squared = parts[:, 1:] + parts[:, :1]
    with np.errstate(divide="ignore", invalid="ignore"):
        df = squared**2 / (parts[:, 1:] ** 2 / (n[1:] - 1) + parts[:, :1] ** 2 / (n[0] - 1))
        p = 2 * stdtr(df, -np.abs(means[:, 1:] - means[:, :1]) / np.sqrt(squared))
    return _holm(np.nan_to_num(p, nan=1.0))


def _paired(scores: np.ndarray) -> np.ndarray:
    """Judge by the paired t with Bonferroni's level: a candidate."""
    pairs = scores[:, 1:] - scores[:, :1]
    seeds = pairs.shape[2]
    limit = -float(stdtrit(seeds - 1, LEVEL / (2 * pairs.shape[1])))
    errors = pairs.std(2, ddof=1) / math.sqrt(seeds)
    beyond: np.ndarray = np.abs(pairs.mean(2)) > limit * errors
    return beyond


def _holm(p: np.ndarray) -> np.ndarray:
    order = np.argsort(p, axis=1)
    ordered = np.take_along_axis(p, order, 1)
    passed = ordered <= LEVEL / np.arange(p.shape[1], 0, -1)
    passed = np.logical_and.accumulate(passed, axis=1)
    claimed = np.zeros_like(passed)
    np.put_along_axis(claimed, order, passed, 1)
    return claimed


def agrees(scores: np.ndarray, mask: np.ndarray, judged: Judged) -> None:
    """Raise where `analyse_scores` judges one of the first studies otherwise."""
    for at in range(AGREE):
        table = {
            str(v): {int(s): float(scores[at, v, s]) for s in np.nonzero(mask[v])[0]}
            for v in range(len(mask))
        }
        analysis = analyse_scores(table, "0", matters=0.0)
        if analysis.method == "no spread":
            continue
        for k, delta in enumerate(analysis.deltas):
            assert delta.robust
            robust = delta.robust.verdict(0.0) != "unclear"
            verdict = delta.verdict != "unclear"
            assert (robust, verdict) == (judged.robust[at, k], judged.verdict[at, k])


def cell(scenario: Scenario, seeds: int, variants: int, repetitions: int) -> dict[str, float | str]:
    """Return the row of one cell."""
    at = SCENARIOS.index(scenario)
    random = np.random.default_rng((20261121, at, seeds, variants))
    mask = there(scenario, variants, seeds)
    scores = scenario.draw(random, repetitions, variants, mask.shape[1])
    none = judge(scores, mask)
    agrees(scores, mask, none)
    # The second variant differs: the first is the one that may have a spread of its own.
    far = scores.copy()
    far[:, 2] += SIZE
    some = judge(far, mask)
    agrees(far, mask, some)

    def shares(name: str) -> tuple[float, float]:
        wrong, seen = getattr(none, name), getattr(some, name)
        if wrong is None:
            return math.nan, math.nan
        return float(wrong.any(1).mean()), float(seen[:, 1].mean())

    row: dict[str, float | str] = {"scenario": scenario.name, "seeds": seeds, "variants": variants}
    for name in ("robust", "alike", "verdict", "bonferroni", "welch"):
        row[f"{name}_error"], row[f"{name}_power"] = shares(name)
    return row


def main() -> None:
    """Write the grid."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=HERE / "error_and_power.csv")
    parser.add_argument("--repetitions", type=int, default=20_000)
    args = parser.parse_args()
    rows = []
    for scenario in SCENARIOS:
        for seeds in SEEDS:
            if scenario.missing and seeds == 2:
                continue  # the variant that lacks one of two seeds is not judged
            for variants in VARIANTS:
                rows.append(cell(scenario, seeds, variants, args.repetitions))
                short = {k: f"{v:.3f}" if isinstance(v, float) else v for k, v in rows[-1].items()}
                print(*short.values(), sep="\t", flush=True)
    with args.file.open("w", newline="") as out:
        writer = csv.DictWriter(out, rows[0], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.4f}" if isinstance(v, float) else v for k, v in row.items()})


if __name__ == "__main__":
    main()
