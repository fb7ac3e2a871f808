"""What a search says before it starts. Without torch."""

from __future__ import annotations

from collections import Counter

import optuna
from rich.console import Console
from rich.text import Text

from fuseablate.cost import cost_kind, summary
from fuseablate.io.terminal import counted, duration
from fuseablate.runs import Store
from fuseablate.space import Admission, Refusal, Space, size_of
from fuseablate.studies.design import space_of
from fuseablate.studies.plan import Plan
from fuseablate.studies.schema import Search
from fuseablate.studies.search import most_trials, random_assignment, seed_of

PREVIEW_SAMPLES = 1000


def print_search_plan(plan: Plan, search: Search, store: Store, workers: int, out: Console) -> None:
    """Print what the space holds, how much of it is affordable, and what will be trained."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    base = plan.design.reference
    cost = plan.cost(base)
    space = space_of(plan.study, search, base, plan.data.image_size)
    title = Text.assemble((plan.study.title, "bold"), f"  {plan.study.question}")
    out.print(title, soft_wrap=True)
    size = size_of(space)
    count = f"{size:,} distinct assignments" if size else "a continuous range among them"
    out.print(f"Space: {counted(len(space.parameters), 'parameter')}, {count}")
    out.print(f"Baseline: {summary(cost)}")
    out.print(plan.data.counts, soft_wrap=True)
    limits = search.limits(base.spec, plan.data.image_size)
    for name, limit in limits.items():
        out.print(f"Budget: at most {cost_kind(name).exact(limit)}")
    admission = Admission(space, plan.data.image_size, limits)
    refused = sample(space, admission, seed_of(plan.digest, "sample"))
    allowed = PREVIEW_SAMPLES - refused["over budget"] - refused["impossible"]
    if plan.study.iso:
        out.print(
            f"Of {PREVIEW_SAMPLES:,} samples {allowed / PREVIEW_SAMPLES:.1%} give a network. "
            f"{' '.join(plan.design.notes)}",
            soft_wrap=True,
        )
    else:
        out.print(
            f"Of {PREVIEW_SAMPLES:,} samples {allowed / PREVIEW_SAMPLES:.1%} can be trained: "
            f"{refused['over budget'] / PREVIEW_SAMPLES:.1%} are over the budget, "
            f"{refused['impossible'] / PREVIEW_SAMPLES:.1%} give no network; {admission.holds()}",
            soft_wrap=True,
        )
    least, longest = _epochs(space)
    trials = most_trials(search, space)
    seeds, fresh = len(plan.study.seeds.each), len(search.finalists.seeds)
    if points := len(search.points_to_evaluate):
        out.print(
            f"Tried before anything is sampled: {counted(points, 'point')} of the study's file"
        )
    best = search.finalists.best
    who = {None: "the front", 1: "the best"}.get(best, f"the best {best}")
    out.print(
        f"Trials: {trials:,} in all by {search.sampler}, {counted(seeds, 'seed')} each, "
        f"{_length(least, longest)}, pruning: {search.prune}; "
        f"finalists: {who} and the baseline, {counted(fresh, 'fresh seed')} each",
        soft_wrap=True,
    )
    if search.compare_random:
        out.print(
            f"For comparison {counted(trials, 'random trial')}, none of which can be a finalist"
        )
    judged = min(best or trials, trials) + 1  # a front may hold all trials
    random = trials if search.compare_random else 0
    runs = [plan.runs[0]] * ((trials + random) * seeds + judged * fresh)
    seconds = plan.seconds_left(store.records(), runs)
    own = base.recipe.epochs  # the baseline is among the finalists
    most = max(longest, own) / own / workers
    out.print(
        f"At most {duration(seconds * most)} on {counted(workers, 'worker')}, at the baseline's "
        "cost, as if nothing were done yet"
        if seconds is not None
        else "The time is unknown before the first run on these data",
        soft_wrap=True,
    )


def _epochs(space: Space) -> tuple[int, int]:
    """Return of how many epochs the shortest and the longest trial are."""
    assert space.recipe
    own = space.recipe.epochs
    setting = [entry for entry in space.parameters if "epochs" in entry.recipe_fields]
    lengths = [
        entry.changes(value).get("epochs", own) for entry in setting for value in entry.samples()
    ]
    if all(entry.when for entry in setting):  # a trial may have none of them
        lengths.append(own)
    return min(lengths), max(lengths)


def _length(least: int, longest: int) -> str:
    return counted(longest, "epoch") if least == longest else f"{least} to {longest} epochs"


def sample(space: Space, admission: Admission, seed: int) -> Counter[Refusal]:
    """Return how many of `PREVIEW_SAMPLES` random assignments are refused, for each reason."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    refused: Counter[Refusal] = Counter()
    # Networks need to be told apart only where there is no cost to speak of.
    judge = admission.refuses if admission.limits or space.equal else admission.admit
    for _ in range(PREVIEW_SAMPLES):
        verdict = judge(random_assignment(space, study.ask()))
        if isinstance(verdict, str):
            refused[verdict] += 1
    return refused
