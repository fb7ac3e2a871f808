"""Planned looks: which runs a study asks for, by what its records say. Without torch.

What is asked for follows from the records alone: each look is gone through again, with no more
seeds than it had, so that a study that is killed and started again decides the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from fuseablate import stats
from fuseablate.runs import Record
from fuseablate.seeds import Looks
from fuseablate.studies.plan import Plan, PlannedRun

Undecided = Callable[[Mapping[str, Mapping[int, float]], str, Looks, float], Collection[str]]
"""Returns which variants need more seeds, such as `stats.undecided`.

It is given the scores so far (test top-1 in percent, by variant and seed), the reference, the
looks, and the smallest difference that matters.
"""


@dataclass(frozen=True)
class Due:
    """The runs that are asked for by now."""

    runs: tuple[PlannedRun, ...]
    """Seed by seed, those before among them."""
    later: tuple[PlannedRun, ...] = ()
    """Those that the looks to come may ask for."""
    said: str = ""
    """What came of the last look, as a line; empty before the first."""


def runs_due(
    plan: Plan, get: Callable[[str], Record | None], undecided: Undecided = stats.undecided
) -> Due:
    """Return the runs that the study asks for; `get` returns the record of a digest.

    Without planned looks these are the runs of the plan. A variant with a run that diverged gets
    no verdict, and so no more seeds; where the reference has one, no variant does. None gets
    more before all runs of a look are tested, or have diverged.
    """
    looks = plan.seeds.looks
    if looks is None:
        return Due(plan.runs)
    reference, *going = plan.design.variants
    counts = {variant.name: looks.first for variant in plan.design.variants}
    runs: tuple[PlannedRun, ...] = ()
    said = ""
    for size in looks.sizes:
        counts |= {variant.name: size for variant in (reference, *going)}
        runs = plan.counted(counts)
        read = [get(run.digest) for run in runs]
        records = [record for record in read if record and (record.test or record.failure)]
        if len(records) < len(runs):
            most = counts | {variant.name: looks.most for variant in (reference, *going)}
            asked = {run.digest for run in runs}
            later = tuple(run for run in plan.counted(most) if run.digest not in asked)
            return Due(runs, later, said)
        if size == looks.most:
            break
        unclear = _unclear(plan, looks, _scores(runs, records), undecided)
        going = [variant for variant in going if variant.name in unclear]
        said = f"look at {size} seeds: {len(going)} of {len(counts) - 1} variants need more"
        if not going:
            break
    return Due(runs, said=said)


def _scores(runs: Sequence[PlannedRun], records: Sequence[Record]) -> dict[str, dict[int, float]]:
    """Return the scores of the variants none of whose runs has diverged."""
    scores: dict[str, dict[int, float]] = {}
    failed: set[str] = set()
    for run, record in zip(runs, records, strict=True):
        if record.test:
            scores.setdefault(run.variant.name, {})[run.seed] = 100 * record.test.top1
        else:
            failed.add(run.variant.name)
    return {name: by_seed for name, by_seed in scores.items() if name not in failed}


def _unclear(
    plan: Plan, looks: Looks, scores: Mapping[str, Mapping[int, float]], undecided: Undecided
) -> set[str]:
    """Return the variants that need more seeds: those as they are, and those at equal cost.

    The report compares each of the two groups with the reference by itself, and so does this.
    """
    reference = plan.design.reference.name
    if reference not in scores:
        return set()
    unclear: set[str] = set()
    for rescaled in (False, True):
        group = {
            variant.name: scores[variant.name]
            for variant in plan.design.variants[1:]
            if variant.name in scores and (variant.iso_of is not None) is rescaled
        }
        if group:
            both = {reference: scores[reference], **group}
            unclear.update(undecided(both, reference, looks, plan.study.matters))
    return unclear - {reference}
