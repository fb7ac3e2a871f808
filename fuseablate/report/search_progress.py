"""How a search's best validation top-1 and its Pareto front grow with its trials."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate

from fuseablate.io.terminal import counted
from fuseablate.runs import Searched, Trial

NEGLIGIBLE = 1e-15  # of a weight: what is left of the sum is less than a double can tell
PER_DECADE = (1, 2, 5)  # of each decade: the numbers of trials that tables show


def best_so_far(search: Searched) -> dict[str, tuple[float, ...]]:
    """Return the best validation top-1, in percent, after each trial: the sampler's, and random's.

    The sampler's is what was observed, in the order of its trials, points of the study's file
    among them; it is called `points` where there are no others. Random trials have no order:
    theirs is the expectation over all orders, after `expected_best`. A trial that was pruned or
    failed counts as the lowest of those that are complete; one that runs yet does not count.
    Empty where no trial is complete.
    """
    trials = (*search.trials, *search.random)
    lowest = min((trial.top1 for trial in trials if trial.top1 is not None), default=None)
    if lowest is None:
        return {}
    curves = {}
    sampler = "points" if all(trial.point for trial in search.trials) else search.sampler
    for name, own in ((sampler, search.trials), ("random", search.random)):
        if scores := _scores(own, lowest):
            curves[name] = expected_best(scores) if name == "random" else running_best(scores)
    return curves


def _scores(trials: Sequence[Trial], lowest: float) -> list[float]:
    ended = [trial for trial in trials if trial.state != "running"]
    return [lowest if trial.top1 is None else trial.top1 for trial in ended]


def running_best(scores: Sequence[float]) -> tuple[float, ...]:
    return tuple(accumulate(scores, max))


def expected_best(scores: Sequence[float]) -> tuple[float, ...]:
    """Return the best of 1, 2, ... of the scores, in expectation over all their orders.

    Of the N scores from the lowest, the i-th is the best of n drawn without replacement in
    C(i - 1, n - 1) of C(N, n) cases. (Dodge et al., "Show your work", EMNLP 2019, draw with
    replacement, which is biased; Tang et al., ACL 2020.)
    """
    best_first = sorted(scores, reverse=True)
    count = len(best_first)
    expected = []
    for drawn in range(1, count + 1):
        weight, short = drawn / count, 0.0  # what is lacking to the best of all
        for place, score in enumerate(best_first):
            short += weight * (best_first[0] - score)
            left = count - 1 - place  # scores below this one
            if left < drawn or weight < NEGLIGIBLE:
                break
            weight *= (left + 1 - drawn) / left
        expected.append(best_first[0] - short)
    return running_best(expected)  # no rounding lets it fall


def shown_counts(curves: Mapping[str, Sequence[float]]) -> list[int]:
    """Return the numbers of trials that a table shows: 1, 2, 5, 10, ... and the ends of curves."""
    ends = {len(curve) for curve in curves.values()}
    most = max(ends, default=0)
    decades = (mark * 10**power for power in range(len(str(most))) for mark in PER_DECADE)
    return sorted({count for count in decades if count < most} | ends)


def curve_title(name: str) -> str:
    return "random, expected" if name == "random" else f"{name}, observed"


def curves_note(curves: Mapping[str, Sequence[float]]) -> str:
    """Return what the curves rest on, in sentences; empty where there is none of random trials."""
    if "random" not in curves:
        return ""
    expected = "The curve of random trials is the expectation over all their orders."
    if len(curves) == 1:
        return expected
    bests = ", ".join(
        f"{curve[-1]:.2f} of {counted(len(curve), 'trial')} ({name})"
        for name, curve in curves.items()
    )
    return (
        f"Best validation top-1: {bests}; each comes from one search, and is optimistic as "
        f"the best of many. {expected} They are for comparison: none of them is a finalist."
    )


def hypervolumes(trials: Sequence[Trial], cost: str) -> list[float]:
    """Return, after each trial, the area that the front dominates, as a share of its frame.

    The frame goes from 0 to the best accuracy, and from 0 to the largest cost of all trials.
    """
    points = [(trial.cost(cost) or 0.0, trial.top1 or 0.0) for trial in trials]
    frame_cost, frame_top1 = max(p[0] for p in points), max(p[1] for p in points)
    if not frame_cost or not frame_top1:
        return [0.0] * len(points)
    # The front: both rise. A trial is put into it where it belongs, and takes away those that it
    # dominates; to begin anew at each trial takes minutes where there are ten thousand.
    costs: list[float] = []
    tops: list[float] = []
    volumes = []
    area = 0.0
    for value, top1 in points:
        dearer = bisect_right(costs, value)
        reached = tops[dearer - 1] if dearer else 0.0
        if top1 > reached:
            dominated = bisect_right(tops, top1, dearer)
            for place in range(dearer, dominated):  # what those covered begins further left now
                area += (costs[place] - value) * (tops[place] - reached)
                reached = tops[place]
            end = costs[dominated] if dominated < len(costs) else frame_cost
            area += (end - value) * (top1 - reached)
            first = bisect_left(costs, value)  # one of the same cost goes, too
            costs[first:dominated] = [value]
            tops[first:dominated] = [top1]
        volumes.append(area / (frame_cost * frame_top1))
    return volumes
