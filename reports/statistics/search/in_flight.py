"""What a search loses where many trials are trained at once, and the sampler has to guess on.

    python reports/statistics/search/in_flight.py            # 6 seeds: writes in_flight.csv
    python reports/statistics/search/in_flight.py --seeds 2  # a look

The space, the budget and the synthetic accuracy are those of simulate.py. So many trials are in
flight: each takes a time that is drawn (uniform, from 0.5 to 1.5), the one that ends first is told
to the sampler, and another is proposed. TPE counts those in flight as bad ("constant liar").
"""

from __future__ import annotations

import argparse
import csv
import heapq
import random
import statistics
from pathlib import Path

import optuna
from optuna.trial import TrialState
from scipy.stats import t
from simulate import LIMITS, SIZE, STUDY, accuracy, space

from fuseablate.space.admission import Admission
from fuseablate.studies.search.sampler import Proposer
from fuseablate.studies.study import load_study

HERE = Path(__file__).parent
TRIALS = 256
IN_FLIGHT = (1, 8, 32, 128)


def best_of(sampler: str, in_flight: int, seed: int) -> float:
    """Return the best accuracy of a search, in percent."""
    study = load_study(STUDY)
    assert study.search
    search = study.search.replace(
        sampler=sampler, n_trials=TRIALS, objectives=("accuracy",),
        finalists={"best": 1, "seeds": [9]},
    )  # fmt: skip
    name = f"{sampler}-{in_flight}-{seed}"
    proposer = Proposer(search, space(), Admission(space(), SIZE, LIMITS), name, [])
    durations = random.Random(name)
    running: list[tuple[float, int, float]] = []  # when each ends, its number, its accuracy
    best = now = 0.0
    for number in range(TRIALS + in_flight):
        if len(running) == in_flight or number >= TRIALS:
            if not running:
                break
            now, ended, top1 = heapq.heappop(running)
            proposer.tell(ended, TrialState.COMPLETE, [top1])
            best = max(best, top1)
        if number < TRIALS:
            ends = now + durations.uniform(0.5, 1.5)
            heapq.heappush(running, (ends, number, accuracy(proposer.propose(number).spec)))
    return best


def main() -> None:
    """Search, write the results and print the table of the README."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=6)
    seeds = range(parser.parse_args().seeds)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    kinds = [("random", 1), *(("tpe", count) for count in IN_FLIGHT)]
    scores = {(kind, seed): best_of(*kind, seed) for seed in seeds for kind in kinds}
    with (HERE / "in_flight.csv").open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("sampler", "in_flight", "seed", "best"))
        rows.writerows((*kind, seed, f"{score:.4f}") for (kind, seed), score in scores.items())
    print("| sampler | in flight | best, mean | to one at a time, paired, 95 % interval |")
    print("|---|--:|--:|---|")
    for kind in kinds:
        mine = [scores[kind, seed] for seed in seeds]
        pairs = [scores[kind, seed] - scores[("tpe", 1), seed] for seed in seeds]
        mean = statistics.fmean(pairs)
        half = 0.0
        if len(pairs) > 1:
            half = t.ppf(0.975, len(pairs) - 1) * statistics.stdev(pairs) / len(pairs) ** 0.5
        text = "" if kind == ("tpe", 1) else f"{mean:+.3f} [{mean - half:+.3f}, {mean + half:+.3f}]"
        print(f"| {kind[0]} | {kind[1]} | {statistics.fmean(mine):.3f} | {text} |")


if __name__ == "__main__":
    main()
