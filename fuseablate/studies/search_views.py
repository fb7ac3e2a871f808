"""What a search says before it starts and when it has ended. Without torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import get_args

import optuna
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.table import Table

from fuseablate.runs import Store
from fuseablate.studies.gate import Gate, Refusal
from fuseablate.studies.outline import LEAST_RATED, importance
from fuseablate.studies.plan import Plan, PlannedRun
from fuseablate.studies.sampler import random_assignment, seed_of
from fuseablate.studies.search import seeds_of
from fuseablate.studies.search_tables import Search
from fuseablate.studies.space import Space, size_of
from fuseablate.studies.trials import Trials
from fuseablate.terminal import duration, short

SAMPLES = 1000
SHOWN = 10  # trials of the table


def print_search_plan(plan: Plan, search: Search, store: Store, workers: int, out: Console) -> None:
    """Print what the space holds, how much of it is affordable, and what will be trained."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    base = plan.design.reference
    cost = plan.cost(base)
    space = Space.of(base.spec, search.parameters)
    out.print(f"[bold]{plan.study.title}[/]  {plan.study.question}", soft_wrap=True)
    size = size_of(space)
    count = f"{size:,} distinct assignments" if size else "a continuous range among them"
    out.print(f"Space: {len(space.parameters)} parameters, {count}")
    out.print(f"Baseline: {short(cost.params)} params, {short(cost.macs)} MACs")
    limits = search.budget.limits(cost) if search.budget else {}
    for name, limit in limits.items():
        out.print(f"Budget: at most {limit:,} {'MACs' if name == 'macs' else name}")
    gate = Gate(space, plan.data.image_size, limits)
    found = sample(space, gate, seed_of(plan.digest, "sample"))
    allowed = SAMPLES - found["over budget"] - found["impossible"]
    out.print(
        f"Of {SAMPLES:,} samples {allowed / SAMPLES:.1%} can be trained: "
        f"{found['over budget'] / SAMPLES:.1%} are over the budget, "
        f"{found['impossible'] / SAMPLES:.1%} give no network; {gate.holds()}",
        soft_wrap=True,
    )
    trials = min(search.n_trials or size or 0, size or search.n_trials or 0)
    seeds, fresh = len(plan.study.seeds), len(search.finalists.seeds)
    best = search.finalists.best
    who = f"the best {best}" if best else "the front"
    out.print(
        f"Trials: {trials:,} in all by {search.sampler}, {seeds} seeds each, "
        f"{plan.study.recipe.epochs} epochs, pruning: {search.prune}; "
        f"finalists: {who} and the baseline, {fresh} fresh seeds each",
        soft_wrap=True,
    )
    runs = [plan.runs[0]] * (trials * seeds + ((best or 0) + 1) * fresh)
    seconds = plan.seconds_left(store.records(), runs)
    out.print(
        f"At most {duration(seconds / workers)} on {workers} workers, at the baseline's cost, "
        "what is done already not counted off"
        if seconds is not None
        else "The time is unknown before the first run on these data",
        soft_wrap=True,
    )


def sample(space: Space, gate: Gate, seed: int) -> Counter[Refusal]:
    """Return how many of `SAMPLES` random assignments are refused, for each reason."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    refused: Counter[Refusal] = Counter()
    for _ in range(SAMPLES):
        verdict = gate.admit(random_assignment(space, study.ask()))
        if isinstance(verdict, str):
            refused[verdict] += 1
    return refused


def print_search(
    search: Search, trials: Trials, runs: Sequence[PlannedRun], seeds: int, out: Console
) -> None:
    """Print what the search found on the validation images, and what it left out."""
    every = trials.all()
    done = [trial for trial in every if trial.state == TrialState.COMPLETE]
    partial = sum(seeds_of(trial) < seeds for trial in done)
    states = Counter(trial.state for trial in every)
    counts = {
        "with all seeds": len(done) - partial,
        "ended after the first seed": partial,
        "pruned": states[TrialState.PRUNED],
        "failed": states[TrialState.FAIL],
        "not ended": states[TrialState.RUNNING],
    }
    said = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    out.print(f"[bold]Search[/]: {len(every):,} trials by {search.sampler}: {said or 'none'}")
    refused = {
        reason: sum(trial.user_attrs.get(reason, 0) for trial in every)
        for reason in get_args(Refusal)
    }
    told = ", ".join(f"{count:,} {reason}" for reason, count in refused.items())
    out.print(f"Samples that were not trained, and drawn again: {told}", soft_wrap=True)
    chosen = {name for run in runs for name in run.variant.names}
    out.print(_table(search, done, seeds, chosen))
    out.print(
        "Validation top-1, mean over seeds: what was searched by, and too high for the best. "
        "A trial with fewer seeds makes no claim. *: a finalist, judged below on fresh seeds.",
        style="dim",
        soft_wrap=True,
    )
    for line in importances(trials.study, len(done)):
        out.print(line, soft_wrap=True)
    out.print()


def _table(search: Search, done: Sequence[FrozenTrial], seeds: int, chosen: set[str]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("Trial", no_wrap=True)
    timed = ("ms",) if "latency" in search.objectives else ()
    for name in ("Val top-1", "Seeds", "Params", "MACs", *timed):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Edits", overflow="fold")
    place = search.objectives.index("accuracy")
    ranked = sorted(done, key=lambda trial: (
        f"trial {trial.number}" not in chosen, -trial.values[place]))  # fmt: skip
    finalists = sum(f"trial {trial.number}" in chosen for trial in done)
    for trial in ranked[: max(SHOWN, finalists)]:
        mark = "*" if f"trial {trial.number}" in chosen else ""
        table.add_row(
            f"{trial.number}{mark}",
            f"{100 * trial.values[place]:.2f}",
            f"{seeds_of(trial)} of {seeds}",
            short(trial.user_attrs["params"]),
            short(trial.user_attrs["macs"]),
            *(f"{trial.user_attrs['latency']:.2f}" for _ in timed),
            trial.user_attrs["edits"] or "-",
        )
    return table


def importances(study: optuna.Study, done: int) -> list[str]:
    """Return how much each parameter decides which trials are the best by validation top-1."""
    if done < LEAST_RATED:
        return [f"Importance of parameters: not rated, for which {LEAST_RATED} trials are needed"]
    said = ", ".join(f"{name} {share:.2f}" for name, share in importance(study, done).items())
    return [f"Importance of parameters for validation top-1 (PED-ANOVA): {said or 'none rated'}"]
