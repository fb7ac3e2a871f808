"""Planned looks: which runs a study asks for, by what its records say. Without torch.

What is asked for follows from the records alone: each look is gone through again, with no more
seeds than it had, so that a study that is killed and started again decides the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from fuseablate import stats
from fuseablate.runs import Record
from fuseablate.seeds import Looks
from fuseablate.studies.plan import Plan, PlannedRun


class Undecided(Protocol):
    """Which variants need more seeds, by their scores so far: test top-1 in percent, by seed."""

    def __call__(
        self,
        scores: Mapping[str, Mapping[int, float]],
        reference: str,
        looks: Looks,
        matters: float,
    ) -> Collection[str]: ...


@dataclass(frozen=True)
class Asked:
    """The runs that are asked for by now, seed by seed.

    later: those that the looks to come may ask for. said: what came of the last look, as a
    line; empty before the first.
    """

    runs: tuple[PlannedRun, ...]
    later: tuple[PlannedRun, ...] = ()
    said: str = ""


def asked(
    plan: Plan, get: Callable[[str], Record | None], undecided: Undecided = stats.undecided
) -> Asked:
    """Return the runs that the study asks for; `get` returns the record of a digest.

    Without planned looks these are the runs of the plan. A variant with a run that diverged gets
    no verdict, and so no more seeds; where the reference has one, no variant does. None gets
    more before all runs of a look are tested, or have diverged.
    """
    looks = plan.seeds.looks
    if looks is None:
        return Asked(plan.runs)
    reference, *going = plan.design.variants
    counts = {variant.names[0]: looks.first for variant in plan.design.variants}
    runs: tuple[PlannedRun, ...] = ()
    said = ""
    for size in looks.sizes:
        counts |= {one.names[0]: size for one in (reference, *going)}
        runs = plan.counted(counts)
        found = [get(run.digest) for run in runs]
        records = [one for one in found if one and (one.test or one.failure)]
        if len(records) < len(runs):
            most = plan.counted(counts | {one.names[0]: looks.most for one in (reference, *going)})
            known = {run.digest for run in runs}
            return Asked(runs, tuple(run for run in most if run.digest not in known), said)
        if size == looks.most:
            break
        scores = _scores(runs, records)
        open_ = _open(plan, scores, undecided)
        going = [variant for variant in going if variant.names[0] in open_]
        said = f"look at {size} seeds: {len(going)} of {len(counts) - 1} variants need more"
        if not going:
            break
    return Asked(runs, said=said)


def _scores(runs: Sequence[PlannedRun], records: Sequence[Record]) -> dict[str, dict[int, float]]:
    """Return the scores of the variants none of whose runs has diverged."""
    scores: dict[str, dict[int, float]] = {}
    failed: set[str] = set()
    for run, record in zip(runs, records, strict=True):
        name = run.variant.names[0]
        if record.test:
            scores.setdefault(name, {})[run.seed] = 100 * record.test.top1
        else:
            failed.add(name)
    return {name: by_seed for name, by_seed in scores.items() if name not in failed}


def _open(plan: Plan, scores: Mapping[str, Mapping[int, float]], undecided: Undecided) -> set[str]:
    """Return the variants that need more seeds: those as they are, and those at equal cost.

    The report compares each of the two groups with the reference by itself, and so does this.
    """
    looks, reference = plan.seeds.looks, plan.design.reference.names[0]
    if looks is None or reference not in scores:
        return set()
    found: set[str] = set()
    for rescaled in (False, True):
        group = {
            name: scores[name]
            for variant in plan.design.variants[1:]
            if (name := variant.names[0]) in scores and (variant.iso_of is not None) is rescaled
        }
        if group:
            every = {reference: scores[reference], **group}
            found.update(undecided(every, reference, looks, plan.study.matters))
    return found - {reference}
