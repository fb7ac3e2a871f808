"""What a study leaves for its report: its plan, and what a search did, as a manifest."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import get_args

from optuna import Study
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from fuseablate.engines import Engine
from fuseablate.errors import InputError
from fuseablate.recipes import changes_of
from fuseablate.runs import Manifest, PlannedVariant, Searched, Store, Trial, Tuned
from fuseablate.seeds import SeedPlan
from fuseablate.space import Refusal
from fuseablate.studies.design import Variant
from fuseablate.studies.plan import Plan, PlannedRun
from fuseablate.studies.schema import Search
from fuseablate.studies.search.scheduler import CHANGES, seeds_of
from fuseablate.studies.trials import Trials

Names = tuple[str, ...]  # of a variant
LEAST_RATED = 20  # trials from which the importance of parameters says anything


def manifest_of(
    plan: Plan,
    runs: Sequence[PlannedRun],
    search: Searched | None = None,
    latencies: Mapping[Names, float] | None = None,
    seen: Sequence[SeedPlan] = (),
) -> Manifest:
    """Return the study with these runs, which are those of the plan or a search's finalists.

    Without runs it is that of a study whose variants are being tuned, with its variants alone.
    `latencies` are milliseconds an image, by the names of a variant, where they were measured.
    `seen` are plans of seeds before this one, with which results were seen.
    """
    study, design = plan.study, plan.design
    some = [run.variant for run in runs] or design.variants
    variants: dict[Names, Variant] = {variant.names: variant for variant in some}
    levels: dict[str, dict[str, None]] = {}
    for variant in variants.values():
        for cell in variant.levels:
            for factor, level in cell.items():
                levels.setdefault(factor, {})[level] = None
    return Manifest(
        name=study.name,
        title=study.title,
        question=study.question,
        design=study.design,
        spec=study.spec.name,
        variants=tuple(
            _planned(plan, variant, runs, (latencies or {}).get(names))
            for names, variant in variants.items()
        ),
        factors={factor: tuple(each) for factor, each in levels.items()},
        notes=(*design.left_out, *design.notes),
        search=search,
        tuned=Tuned(trials=study.tune.n_trials, seeds=study.tune.seeds) if study.tune else None,
        matters=study.matters,
        seeds=plan.seeds,
        seen=tuple(seen),
    )


def seen_before(plan: Plan, folder: Path, store: Store) -> tuple[SeedPlan, ...]:
    """Return the plans of seeds before this one, under which the study had results to be seen."""
    with suppress(InputError):  # none has been written
        before = Manifest.load(folder)
        had = any(store.get(digest) for one in before.variants for digest in one.runs.values())
        changed = not before.planned_seeds.says_the_same_as(plan.seeds)
        return (*before.seen, before.planned_seeds) if changed and had else before.seen
    return ()


def measured_latencies(
    plan: Plan, runs: Sequence[PlannedRun], engine: Engine, folder: Path
) -> dict[Names, float]:
    """Return the latency of each variant of these runs, all measured together.

    Those that the manifest in `folder` holds of all of them are taken from there.
    """
    variants = {run.variant.names: run.variant.spec for run in runs}
    with suppress(InputError):  # none has been written
        known = {one.names: one.latency for one in Manifest.load(folder).variants}
        found = {names: known.get(names) for names in variants}
        if None not in found.values():
            return {names: value for names, value in found.items() if value is not None}
    timed = engine.latencies(list(variants.values()), plan.data.image_size)
    return dict(zip(variants, timed, strict=True))


def _planned(
    plan: Plan, variant: Variant, runs: Sequence[PlannedRun], latency: float | None
) -> PlannedVariant:
    cost = plan.cost(variant)
    return PlannedVariant(
        names=variant.names,
        spec=variant.spec.name if variant.spec.name != plan.study.spec.name else "",
        edits=variant.spec.edits,
        levels=variant.levels,
        recipe=changes_of(variant.given, plan.design.reference.given),
        tuned=variant.tuned,
        params=cost.params,
        macs=cost.macs,
        iso_of=variant.iso_of,
        latency=latency,
        runs={run.seed: run.digest for run in runs if run.variant.names == variant.names},
    )


def searched(
    search: Search,
    trials: Trials,
    runs: Sequence[PlannedRun],
    seeds: int,
    random: Trials | None = None,
) -> Searched:
    """Return what a search did, with `seeds` seeds a trial, and `runs` those of its finalists.

    `random` are the random trials that were trained beside it.
    """
    every = trials.all()
    done = sum(trial.state == TrialState.COMPLETE for trial in every)
    chosen = {name for run in runs for name in run.variant.names}
    place = search.objectives.index("accuracy")
    return Searched(
        sampler=search.sampler,
        objectives=search.objectives,
        seeds=seeds,
        trials=tuple(_trial(trial, place, f"trial {trial.number}" in chosen) for trial in every),
        refused={
            reason: sum(trial.user_attrs.get(reason, 0) for trial in every)
            for reason in get_args(Refusal)
        },
        importance=importance(trials.study, done),
        random=tuple(_trial(trial, place, False) for trial in random.all()) if random else (),
    )


def _trial(trial: FrozenTrial, place: int, finalist: bool) -> Trial:
    done = trial.state == TrialState.COMPLETE
    return Trial(
        number=trial.number,
        state=trial.state.name.lower(),
        seeds=seeds_of(trial),
        top1=100 * trial.values[place] if done else None,
        params=trial.user_attrs["params"],
        macs=trial.user_attrs["macs"],
        latency=trial.user_attrs.get("latency"),
        edits=trial.user_attrs["edits"],
        recipe=trial.user_attrs.get(CHANGES, ""),
        finalist=finalist,
    )


def importance(study: Study, done: int) -> dict[str, float]:
    """Return how much each parameter decides which trials are the best by validation top-1.

    PED-ANOVA (Watanabe et al., IJCAI 2023): how far the values of the best tenth lie from those
    of all; shares of 1. `done` is how many trials are complete; empty where they are too few.
    """
    if done < LEAST_RATED:
        return {}
    place = [direction.name for direction in study.directions].index("MAXIMIZE")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # experimental in older versions; says that low is good
        return get_param_importances(
            study,
            evaluator=PedAnovaImportanceEvaluator(),
            target=lambda trial: -trial.values[place],
        )
