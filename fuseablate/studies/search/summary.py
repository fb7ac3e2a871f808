"""What a search did, as the manifest of its study tells it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import get_args

from optuna import Study
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from fuseablate.cost import SUMMARY
from fuseablate.runs import Searched, Trial
from fuseablate.space import Assignment, Refusal
from fuseablate.studies.plan import PlannedRun
from fuseablate.studies.schema import Search
from fuseablate.studies.search.scheduler import CHANGES, seeds_of
from fuseablate.studies.trials import KEY, Trials, number_of

LEAST_RATED = 20  # trials from which the importance of parameters says anything


def summary_of(
    search: Search,
    trials: Trials,
    runs: Sequence[PlannedRun],
    seeds: int,
    *,
    points: Sequence[Assignment],
    digests: Callable[[int], Mapping[int, str]],
    random: Trials | None = None,
) -> Searched:
    """Return what a search did, with `seeds` seeds a trial, and `runs` those of its finalists.

    `points` are those of the study's file, whole; `digests` returns those of a trial's runs, by
    seed; `random` are the random trials that were trained beside it.
    """
    every = trials.all()
    complete = sum(trial.state == TrialState.COMPLETE for trial in every)
    chosen = {name for run in runs for name in run.variant.names}
    return Searched(
        sampler=search.sampler,
        objectives=search.objectives,
        seeds=seeds,
        trials=tuple(
            _trial(
                trial,
                search,
                finalist=trial.user_attrs[KEY] in chosen,
                point=trial.params in points,
                runs=digests(number_of(trial)),
            )
            for trial in every
        ),
        refused={
            reason: sum(trial.user_attrs.get(reason, 0) for trial in every)
            for reason in get_args(Refusal)
        },
        importance=importance(trials.study, complete),
        random=tuple(_trial(trial, search) for trial in random.all()) if random else (),
    )


def _trial(
    trial: FrozenTrial,
    search: Search,
    *,
    finalist: bool = False,
    point: bool = False,
    runs: Mapping[int, str] | None = None,
) -> Trial:
    place = search.objectives.index("accuracy")
    complete = trial.state == TrialState.COMPLETE
    return Trial(
        number=number_of(trial),
        state=trial.state.name.lower(),
        seeds=seeds_of(trial),
        top1=100 * trial.values[place] if complete else None,
        params=trial.user_attrs["params"],
        macs=trial.user_attrs["macs"],
        latency=trial.user_attrs.get("latency"),
        edits=trial.user_attrs["edits"],
        recipe=trial.user_attrs.get(CHANGES, ""),
        finalist=finalist,
        costs={
            name: trial.user_attrs[name] for name in search.cost_objectives if name not in SUMMARY
        },
        assignment=trial.params,
        point=point,
        runs=runs or {},
    )


def importance(study: Study, complete: int) -> dict[str, float]:
    """Return how much each parameter decides which trials are the best by validation top-1.

    PED-ANOVA (Watanabe et al., IJCAI 2023): how far the values of the best tenth lie from those
    of all; shares of 1. Empty where too few trials are complete.
    """
    if complete < LEAST_RATED:
        return {}
    place = [direction.name for direction in study.directions].index("MAXIMIZE")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # experimental in older versions; says that low is good
        return get_param_importances(
            study,
            evaluator=PedAnovaImportanceEvaluator(),
            target=lambda trial: -trial.values[place],
        )
