"""Error, power and cost of planned looks, and the error of unplanned ones, by simulation.

    python reports/statistics/looks.py [FILE] [--repetitions N]

Each cell is a plan of looks, a number of variants besides the reference, and a scenario. error:
the share of studies in which some variant is claimed to differ at some look where none does, and
robust_error that of claims whatever the spreads;
unplanned: the same where each look takes the whole level of 5 %, as one who looks and adds seeds
unplanned does. power: how often a variant is seen that lies two standard deviations of a run
from the reference; fixed: that of a study with the most seeds of all from the start. seeds: the
mean number of seeds that the variant which differs is given, of the most. The studies of a cell
are judged together; the first few go through the package's own looks too, which must agree.
Fixed seeds; some minutes of one core at 20,000 repetitions.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from error_and_power import judge

from fuseablate.seeds import Looks
from fuseablate.stats.analysis import LEVEL
from fuseablate.stats.looks import level_of, looked

HERE = Path(__file__).parent
PLANS = (Looks(3, 3, 6), Looks(3, 2, 9), Looks(2, 1, 6))
VARIANTS = (1, 4, 10)
SPREADS: Mapping[str, float] = {"equal spreads": 1.0, "reference of sd 3": 3.0}
SIZE = 2.0  # standard deviations
AGREE = 25  # studies of a cell that the package's own looks repeat


def studies(
    spread: float, variants: int, seeds: int, repetitions: int, random: np.random.Generator
) -> np.ndarray:
    """Return scores (repetitions, 1 + variants, seeds) of equal means, the reference first."""
    scores = random.standard_normal((repetitions, variants + 1, seeds))
    scores[:, 0] *= spread
    return scores


def looking(scores: np.ndarray, looks: Looks, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return which variants are claimed to differ at some look, and the seeds of each.

    A claim is 1, and 2 where it holds whatever the spreads. Studies (repetitions, 1 + variants,
    seeds) with the same variants unsettled are judged together.
    """
    count = scores.shape[1] - 1
    waiting = np.ones((len(scores), count), dtype=bool)
    claimed = np.zeros(waiting.shape, dtype=int)
    used = np.zeros(waiting.shape)
    for size in looks.sizes:
        which, group = np.unique(waiting, axis=0, return_inverse=True)
        for at, active in enumerate(which):
            studied = np.nonzero(group.ravel() == at)[0]
            if not active.any():
                continue
            columns = np.nonzero(active)[0]
            some = scores[studied][:, [0, *(1 + columns)], :size]
            mask = np.ones(some.shape[1:], dtype=bool)
            judged = judge(some, mask, level, count)
            verdicts = judged.verdict
            used[np.ix_(studied, columns)] = size
            claimed[np.ix_(studied, columns)] = verdicts * (1 + judged.robust)
            waiting[np.ix_(studied, columns)] = ~verdicts
    return claimed, used


def agrees(scores: np.ndarray, looks: Looks, claimed: np.ndarray, used: np.ndarray) -> None:
    """Raise where the package's own looks end otherwise for one of the first studies."""
    for at in range(AGREE):
        table = {str(v): dict(enumerate(row)) for v, row in enumerate(scores[at].tolist())}
        expected, seeds = np.zeros(claimed.shape[1], dtype=int), np.zeros(claimed.shape[1])
        for look in looked(table, "0", looks, matters=0.0):
            for delta in look.analysis.deltas:
                seeds[int(delta.variant) - 1] = look.size
                differs = delta.verdict in ("better", "worse")
                expected[int(delta.variant) - 1] = differs * (1 + (delta.basis == "any spreads"))
        assert (expected == claimed[at]).all()
        assert (seeds == used[at]).all()


def cell(looks: Looks, variants: int, scenario: str, repetitions: int) -> dict[str, object]:
    """Return the row of one cell."""
    random = np.random.default_rng((20261121, *looks.sizes, variants, len(scenario)))
    none = studies(SPREADS[scenario], variants, looks.most, repetitions, random)
    level = level_of(looks, variants)
    wrong, used = looking(none, looks, level)
    agrees(none, looks, wrong, used)
    hasty, _ = looking(none, looks, LEVEL)
    some = none.copy()
    some[:, 1] += SIZE
    seen, used = looking(some, looks, level)
    agrees(some, looks, seen, used)
    fixed = judge(some, np.ones(some.shape[1:], dtype=bool))
    return {
        "looks": "/".join(map(str, looks.sizes)),
        "variants": variants,
        "scenario": scenario,
        "error": f"{wrong.any(1).mean():.4f}",
        "robust_error": f"{(wrong == 2).any(1).mean():.4f}",
        "unplanned": f"{hasty.any(1).mean():.4f}",
        "power": f"{(seen[:, 0] > 0).mean():.4f}",
        "fixed": f"{fixed.verdict[:, 0].mean():.4f}",
        "seeds": f"{used[:, 0].mean():.2f}",
    }


def main() -> None:
    """Write the grid."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=HERE / "looks.csv")
    parser.add_argument("--repetitions", type=int, default=20_000)
    args = parser.parse_args()
    rows = []
    for scenario in SPREADS:
        for looks in PLANS:
            for variants in VARIANTS:
                rows.append(cell(looks, variants, scenario, args.repetitions))
                print(*rows[-1].values(), sep="\t", flush=True)
    with args.file.open("w", newline="") as out:
        writer = csv.DictWriter(out, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
