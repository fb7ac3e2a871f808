"""How the best validation top-1 of a search rises with its trials. Without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate

from fuseablate.runs import Searched, Trial

NEGLIGIBLE = 1e-15  # of a weight: what is left of the sum is less than a double can tell
MARKS = (1, 2, 5)  # of each decade: the numbers of trials that tables show


def best_so_far(search: Searched) -> dict[str, tuple[float, ...]]:
    """Return the best validation top-1, in percent, after each trial: the sampler's, and random's.

    The sampler's is what was observed, in the order of its trials. Random trials have no order:
    theirs is the expectation over all orders, after `expected_best`. A trial that was pruned or
    failed counts as the lowest of those that are complete; one that runs yet does not count.
    Empty where no trial is complete.
    """
    done = [one.top1 for one in (*search.trials, *search.random) if one.top1 is not None]
    if not done:
        return {}
    lowest = min(done)
    found = {}
    for name, trials in ((search.sampler, search.trials), ("random", search.random)):
        if scores := _scores(trials, lowest):
            found[name] = expected_best(scores) if name == "random" else running_best(scores)
    return found


def _scores(trials: Sequence[Trial], lowest: float) -> list[float]:
    ended = [trial for trial in trials if trial.state != "running"]
    return [lowest if trial.top1 is None else trial.top1 for trial in ended]


def running_best(scores: Sequence[float]) -> tuple[float, ...]:
    """Return the best of the first 1, 2, ... scores."""
    return tuple(accumulate(scores, max))


def expected_best(scores: Sequence[float]) -> tuple[float, ...]:
    """Return the best of 1, 2, ... of the scores, in expectation over all their orders.

    Of the N scores from the lowest, the i-th is the best of n drawn without replacement in
    C(i - 1, n - 1) of C(N, n) cases. (Dodge et al., "Show your work", EMNLP 2019, draw with
    replacement, which is biased; Tang et al., ACL 2020.)
    """
    best_first = sorted(scores, reverse=True)
    count = len(best_first)
    found = []
    for drawn in range(1, count + 1):
        weight, short = drawn / count, 0.0  # what is lacking to the best of all
        for place, score in enumerate(best_first):
            short += weight * (best_first[0] - score)
            left = count - 1 - place  # scores below this one
            if left < drawn or weight < NEGLIGIBLE:
                break
            weight *= (left + 1 - drawn) / left
        found.append(best_first[0] - short)
    return running_best(found)  # no rounding lets it fall


def shown_counts(curves: Mapping[str, Sequence[float]]) -> list[int]:
    """Return the numbers of trials that a table shows: 1, 2, 5, 10, ... and the ends of curves."""
    ends = {len(curve) for curve in curves.values()}
    most = max(ends, default=0)
    decades = (mark * 10**power for power in range(len(str(most))) for mark in MARKS)
    return sorted({count for count in decades if count < most} | ends)


def heading(name: str) -> str:
    """Return what a curve is called."""
    return "random, expected" if name == "random" else f"{name}, observed"


def words(search: Searched) -> str:
    """Return what the curves rest on, in sentences; empty where there is none of random trials."""
    curves = best_so_far(search)
    if "random" not in curves:
        return ""
    expected = "The curve of random trials is the expectation over all their orders."
    if len(curves) == 1:
        return expected
    said = ", ".join(
        f"{curve[-1]:.2f} of {len(curve):,} trials by {name}" for name, curve in curves.items()
    )
    return (
        f"Best validation top-1: {said}; each is one search, and too high for the best of many. "
        f"{expected} They are for comparison: none of them is a finalist."
    )
