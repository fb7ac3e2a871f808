"""Error, power and cost of planned looks, and the error of unplanned ones, by simulation.

    python reports/statistics/looks.py [FILE] [--repetitions N]

Each cell is a plan of looks, a number of variants besides the reference, and a scenario. error:
the share of studies in which some variant is claimed to differ at some look where none does;
unplanned: the same where each look takes the whole level of 5 %, as one who looks and adds seeds
unplanned does. power: how often a variant is seen that lies three standard deviations of a run
from the reference; fixed: that of a study with the most seeds of all from the start. seeds: the
mean number of seeds of a variant where one differs by three standard deviations and the others do
not, of the most. Fixed seeds; an hour of one core at 20,000 repetitions.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fuseablate.stats import Looks, analyse
from fuseablate.stats.analysis import LEVEL
from fuseablate.stats.looks import looked

HERE = Path(__file__).parent
PLANS = (Looks(3, 3, 6), Looks(3, 2, 9), Looks(2, 1, 6))
VARIANTS = (1, 4, 10)
SPREADS: Mapping[str, float] = {"equal spreads": 1.0, "reference of sd 3": 3.0}
SIZE = 3.0  # standard deviations


@dataclass(frozen=True)
class Unplanned(Looks):
    """Looks that each take the whole level."""

    @property
    def level(self) -> float:
        """The level of a look."""
        return LEVEL


def studies(
    spread: float, variants: int, seeds: int, repetitions: int, random: np.random.Generator
) -> np.ndarray:
    """Return scores (repetitions, 1 + variants, seeds) of equal means, the reference first."""
    scores = random.standard_normal((repetitions, variants + 1, seeds))
    scores[:, 0] *= spread
    return scores


def table(scores: np.ndarray) -> dict[str, dict[int, float]]:
    """Return one study's scores (variants, seeds) as the package takes them."""
    return {str(at): dict(enumerate(row)) for at, row in enumerate(scores.tolist())}


def claims(scores: np.ndarray, looks: Looks) -> tuple[set[str], float]:
    """Return which variants are claimed to differ at some look, and the mean of their seeds."""
    found: set[str] = set()
    used = {str(at): 0 for at in range(1, len(scores))}
    for look in looked(table(scores), "0", looks, matters=0.0):
        for delta in look.analysis.deltas:
            used[delta.variant] = look.size
            if delta.verdict in ("better", "worse"):
                found.add(delta.variant)
    return found, float(np.mean(list(used.values())))


def cell(looks: Looks, variants: int, scenario: str, repetitions: int) -> dict[str, object]:
    """Return the row of one cell."""
    random = np.random.default_rng((20261121, *looks.sizes, variants, len(scenario)))
    none = studies(SPREADS[scenario], variants, looks.most, repetitions, random)
    unplanned = Unplanned(looks.first, looks.step, looks.most)
    wrong = [bool(claims(one, looks)[0]) for one in none]
    hasty = [bool(claims(one, unplanned)[0]) for one in none]
    some = none[: repetitions // 4]
    some[:, 1] += SIZE
    seen = [claims(one, looks) for one in some]
    fixed = [analyse(table(one), "0", matters=0.0).deltas[0] for one in some]
    return {
        "looks": "/".join(map(str, looks.sizes)),
        "variants": variants,
        "scenario": scenario,
        "error": f"{np.mean(wrong):.4f}",
        "unplanned": f"{np.mean(hasty):.4f}",
        "power": f"{np.mean(['1' in names for names, _ in seen]):.4f}",
        "fixed": f"{np.mean([delta.verdict != 'unclear' for delta in fixed]):.4f}",
        "seeds": f"{np.mean([used for _, used in seen]):.2f}",
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
