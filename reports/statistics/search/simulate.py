"""How far searches come under a budget that binds, and how good what they find is.

    python reports/statistics/search/simulate.py            # 20 seeds: writes results.csv
    python reports/statistics/search/simulate.py --seeds 2  # a look

The space is that of studies/search.toml at 32x32, the budget leaves 14.5 % of it. Nothing is
trained: a synthetic accuracy is computed from the table, with noise that the network's digest
decides. A seed is a search; the searches of one seed are compared in pairs with the random one.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import math
import random
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from functools import cache
from pathlib import Path

import optuna
from optuna.trial import TrialState
from scipy.stats import t

from fuseablate.cost.costs import measure
from fuseablate.space.admission import Admission
from fuseablate.space.census import take_census
from fuseablate.space.space import Space
from fuseablate.spec.catalog import load_spec
from fuseablate.spec.spec import Spec
from fuseablate.studies.schema.search import Search
from fuseablate.studies.search.sampler import Proposer, SpaceEndError
from fuseablate.studies.study import load_study

HERE = Path(__file__).parent
STUDY = HERE.parents[2] / "studies" / "search.toml"
SIZE = (32, 32)
LIMITS = {"macs": 1_770_000}
LEAST = 1_470_000  # MACs of the smallest networks of the space, about
TRIALS = 60
SAMPLERS = ("random", "tpe", "nsga2")
OBJECTIVES = (("accuracy",), ("accuracy", "macs"))
FLOOR, TOP = 40.0, 70.0  # percent: of the hypervolume's frame


@dataclass(frozen=True)
class Result:
    """A search. score: the best accuracy, in percent, or the hypervolume, a share of its frame."""

    objectives: str
    sampler: str
    seed: int
    trials: int
    refused: int
    score: float


@cache
def space() -> Space:
    """Return the space of the shipped search."""
    study = load_study(STUDY)
    assert study.search
    return Space.of(load_spec(study.spec.name).with_classes(100), study.search.parameters)


def accuracy(spec: Spec) -> float:
    """Return a synthetic accuracy in percent: MACs buy it, and so do choices that cost little.

    A doubling of the MACs is worth 10 points, so that the budget binds. Kernels of 5 are the
    best, early rows matter more, a squeeze ratio near 6 is the best, and so on; the noise has a
    standard deviation of 0.3.
    """
    score = 40 + 10 * math.log2(measure(spec, SIZE).macs / 1e6)
    for place, row in enumerate(row for row in spec.rows if row.op in ("fuse", "mbconv")):
        cells = row.values()
        kernel = {3: 0.0, 5: 0.5, 7: 0.35}[int(str(cells["kernel"]))]
        score += kernel * (1.5 if place < 4 else 0.7)
        if cells["se"]:
            score += 0.25 - 0.1 * abs(math.log2(int(str(cells["se_reduction"])) / 6))
        score += {"relu": 0.0, "hswish": 0.15, "swish": 0.2}[str(cells["nl"])]
        score += 0.15 * bool(cells["residual"]) - 0.1 * (row.op == "mbconv")
    digest = hashlib.sha256(spec.digest(SIZE).encode()).digest()
    return score + random.Random(digest).gauss(0, 0.3)


def searched(sampler: str, objectives: Sequence[str], seed: int, trials: int) -> Result:
    """Search as a study does, one trial after another."""
    study = load_study(STUDY)
    assert study.search
    best = 1 if len(objectives) == 1 else None
    table: Search = study.search.replace(
        sampler=sampler, n_trials=trials, objectives=tuple(objectives),
        finalists={"best": best, "seeds": [9]},
    )  # fmt: skip
    proposer = Proposer(table, space(), Admission(space(), SIZE, LIMITS), f"{sampler}-{seed}", [])
    scored: list[tuple[int, float]] = []
    refused = 0
    for number in range(trials):
        try:
            proposal = proposer.propose(number)
        except SpaceEndError:
            break
        macs, top1 = measure(proposal.spec, SIZE).macs, accuracy(proposal.spec)
        proposer.tell(number, TrialState.COMPLETE, [top1, macs][: len(objectives)])
        scored.append((macs, top1))
        refused += sum(proposal.refused.values())
    score = max(top1 for _, top1 in scored) if best else hypervolume(scored)
    return Result("+".join(objectives), sampler, seed, len(scored), refused, score)


def hypervolume(scored: Sequence[tuple[int, float]]) -> float:
    """Return the area that the front of (MACs, accuracy) dominates, as a share of its frame.

    The frame goes from the smallest networks to the budget, and from 40 to 70 %.
    """
    area, reached = 0.0, FLOOR
    for macs, top1 in sorted(scored):
        if top1 > reached:
            area += (LIMITS["macs"] - macs) * (top1 - reached)
            reached = top1
    return area / ((LIMITS["macs"] - LEAST) * (TOP - FLOOR))


def feasible() -> float:
    """Return the share of 20,000 draws that mean a network within the budget."""
    census = take_census(space(), SIZE, LIMITS, samples=20_000, seed=0, few=1)
    return census.within / census.seen


def table(results: Sequence[Result]) -> list[str]:
    """Return a Markdown table: each sampler beside random, with the paired 95 % interval."""
    lines = [
        "| objectives | sampler | searches that reached all trials | refused samples a trial "
        "| best, or hypervolume | difference to random, paired, 95 % interval |",
        "|---|---|--:|--:|--:|--:|",
    ]
    most = max(result.trials for result in results)
    for objectives in dict.fromkeys(result.objectives for result in results):
        mine = [result for result in results if result.objectives == objectives]
        by = {(result.sampler, result.seed): result.score for result in mine}
        for sampler in dict.fromkeys(result.sampler for result in mine):
            some = [result for result in mine if result.sampler == sampler]
            whole = sum(result.trials == most for result in some)
            refused = sum(result.refused for result in some) / sum(result.trials for result in some)
            mean = statistics.fmean(result.score for result in some)
            pairs = [result.score - by["random", result.seed] for result in some]
            lines.append(
                f"| {objectives} | {sampler} | {whole} of {len(some)} | {refused:.1f} "
                f"| {mean:.3f} | {'' if sampler == 'random' else interval(pairs)} |"
            )
    return lines


def interval(pairs: Sequence[float]) -> str:
    """Return the mean of the differences with its 95 % interval by t."""
    mean = statistics.fmean(pairs)
    reach = t.ppf(0.975, len(pairs) - 1) * statistics.stdev(pairs) / len(pairs) ** 0.5
    return f"{mean:+.3f} [{mean - reach:+.3f}, {mean + reach:+.3f}]"


def all_results(seeds: Iterable[int], trials: int) -> Iterable[Result]:
    """Yield every search: of each pair of objectives, sampler and seed."""
    for seed in seeds:
        for objectives in OBJECTIVES:
            for sampler in SAMPLERS:
                yield searched(sampler, objectives, seed, trials)


def main() -> None:
    """Write results.csv and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=TRIALS)
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print(f"{feasible():.1%} of the space is feasible")
    results = []
    for result in all_results(range(args.seeds), args.trials):
        results.append(result)
        print(result, flush=True)
    if (args.seeds, args.trials) == (20, TRIALS):
        with (HERE / "results.csv").open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(field.name for field in fields(Result))
            writer.writerows((*astuple(result)[:-1], f"{result.score:.4f}") for result in results)
    print("\n".join(table(results)))


if __name__ == "__main__":
    main()
