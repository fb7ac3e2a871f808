"""Optuna's side of a study: a trial is a variant, its seeds are runs within it.

What is done is read from the run store; Optuna's storage holds the order, the parameters and the
values, for its samplers and for optuna-dashboard. Without torch.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages import BaseStorage
from optuna.storages.journal import JournalFileBackend, JournalStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from fuseablate.errors import InputError
from fuseablate.io.reading import MissingError, read_bytes
from fuseablate.runs import JOURNAL
from fuseablate.space import Categorical, IntRange, Parameter

JOURNAL_BYTES = 2**30
KEY = "variant"  # the user attribute that names a trial's variant
FACTORS = "factors"  # the user attribute of a study with the levels of each factor
VAL, TEST = "val top-1", "test top-1"  # what accuracies are called; costs are by their names
SEEDS = "seeds"  # that of a trial that has ended: how many have a result, as in "2 of 3"
OVER = "over seeds"  # which these are; trials of before it was written tell only how many
Direction = Literal["maximize", "minimize"]


def open_storage(url: str | None, folder: Path, say: Callable[[str], None] = print) -> BaseStorage:
    """Return the storage of that URL, or the journal file in the study's folder.

    The journal file takes parallel writers, which SQLite does not. `say` is told where a server
    is waited for.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if url is not None:
        from fuseablate.studies.remote import open_remote

        return open_remote(url, say)
    # Optuna's lock is a link to this path, and its waiters never notice a stale link to nothing.
    journal = folder.absolute() / JOURNAL
    _mend(journal)
    try:
        return JournalStorage(JournalFileBackend(str(journal)))
    except Exception as error:  # whatever Optuna's reader trips over
        raise InputError(
            f"{folder / journal.name}: cannot be read by Optuna ({_line(error)}); move the file "
            "away and start again: what has been trained is in the run store"
        ) from None


def _mend(journal: Path) -> None:
    """Remove what a process left that was killed, or had a full disk: its lock, half a line.

    The caller holds the study, so that no other one is writing.
    """
    journal.with_name(f"{journal.name}.lock").unlink(missing_ok=True)
    with suppress(MissingError):
        content = read_bytes(journal, JOURNAL_BYTES)
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(journal, whole)


def open_study(
    name: str,
    storage: BaseStorage,
    objectives: Sequence[str] = ("accuracy",),
    factors: Mapping[str, Sequence[str]] | None = None,
    accuracy: str = VAL,
) -> optuna.Study:
    """Return the Optuna study of that name, made where it is missing.

    It samples nothing itself: its trials are made with their parameters. Its values are called by
    the `objectives`, of which accuracy is to be high and costs low; `accuracy` says of which images
    it is. A user attribute holds the levels of the `factors`.
    """
    try:
        study = optuna.create_study(
            study_name=name,
            storage=storage,
            directions=directions_of(objectives),
            sampler=optuna.samplers.RandomSampler(seed=0),
            load_if_exists=True,
        )
        names = [accuracy if name == "accuracy" else name for name in objectives]
        _describe(study, names, factors or {})
        return study
    except InputError:
        raise
    except Exception as error:  # a broken journal, a database without a right
        raise InputError(f"Optuna's storage of the study: {_line(error)}") from None


def directions_of(objectives: Sequence[str]) -> list[Direction]:
    """Return what each objective is to be: accuracy high, costs low."""
    return ["maximize" if name == "accuracy" else "minimize" for name in objectives]


def _describe(
    study: optuna.Study, metrics: list[str], factors: Mapping[str, Sequence[str]]
) -> None:
    """Write what optuna-dashboard shows of a study, where it does not say so yet."""
    if study.metric_names != metrics:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names(metrics)
    levels = {factor: list(names) for factor, names in factors.items()}
    if levels and study.user_attrs.get(FACTORS) != levels:
        study.set_user_attr(FACTORS, levels)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def number_of(trial: FrozenTrial) -> int:
    """Return the number in the name of a search's trial, "trial 3".

    Optuna's own is another one where somebody else has made a trial of the same Optuna study.
    """
    name: str = trial.user_attrs[KEY]
    return int(name.rpartition(" ")[2])


def distribution_of(parameter: Parameter) -> BaseDistribution:
    if isinstance(parameter, Categorical):
        return CategoricalDistribution(list(parameter.values()))
    if isinstance(parameter, IntRange):
        high = parameter.values()[-1]
        return IntDistribution(parameter.low, int(high), log=parameter.log, step=parameter.step)
    values = parameter.values()
    top = float(values[-1]) if values else parameter.high
    return FloatDistribution(parameter.low, top, log=parameter.log, step=parameter.step)


def distributions_of(parameters: Iterable[Parameter]) -> dict[str, BaseDistribution]:
    return {parameter.name: distribution_of(parameter) for parameter in parameters}


class Trials:
    """The trials of a study: exactly one for each variant, whatever was interrupted.

    Each is made in one write, with its parameters and running: a process that is killed leaves
    a whole trial or none. Optuna lets no trial change that has ended: a variant that is given
    other seeds after that has another trial, and the newest counts. `distributions` are those of
    the parameters, by name.
    """

    def __init__(
        self, study: optuna.Study, distributions: Mapping[str, BaseDistribution] | None = None
    ) -> None:
        self.study = study
        self._distributions = distributions or {}
        # No copies and no look at all trials later on: a trial's cost must not grow with them.
        self._by_variant = {
            trial.user_attrs[KEY]: trial
            for trial in study.get_trials(deepcopy=False)
            if KEY in trial.user_attrs
        }

    def __len__(self) -> int:
        return len(self._by_variant)

    def __getitem__(self, variant: str) -> FrozenTrial:
        """Return a variant's trial as it was last written."""
        return self._by_variant[variant]

    def all(self) -> list[FrozenTrial]:
        """Return all of them, by their numbers."""
        return list(self._by_variant.values())

    def start(
        self,
        variant: str,
        params: Mapping[str, Any],
        attributes: Mapping[str, Any],
        system: Mapping[str, Any] | None = None,
        seeds: Collection[int] | None = None,
    ) -> None:
        """Have the variant's trial run: a trial that an earlier process left goes on.

        Parameters without a distribution are not Optuna's. `system` is what a sampler wants to
        find with the trial again. `seeds` are those that it is over, where they may change.
        """
        if variant in self._by_variant and not self._is_over_others(variant, seeds):
            return
        kept = {name: value for name, value in params.items() if name in self._distributions}
        trial = create_trial(
            state=TrialState.RUNNING,
            params=kept,
            distributions={name: self._distributions[name] for name in kept},
            user_attrs={KEY: variant, **attributes},
            system_attrs=dict(system or {}),
        )
        storage = self.study._storage
        made = storage.create_new_trial(self.study._study_id, template_trial=trial)
        self._by_variant[variant] = storage.get_trial(made)

    def _is_over_others(self, variant: str, seeds: Collection[int] | None) -> bool:
        """Whether the variant's trial has ended, over other seeds."""
        trial = self._by_variant[variant]
        if seeds is None or not trial.state.is_finished():
            return False
        if OVER in trial.user_attrs:
            return set(trial.user_attrs[OVER]) != set(seeds)
        said: str = trial.user_attrs.get(SEEDS, "")
        return bool(said) and said.rpartition(" ")[2] != str(len(seeds))

    def finish(
        self,
        variant: str,
        state: TrialState,
        values: Sequence[float] | None,
        attributes: Mapping[str, Any],
    ) -> None:
        """File the variant's values, or that it has none; nothing happens where it has ended."""
        trial = self._by_variant[variant]
        if trial.state.is_finished():
            return
        for name, value in attributes.items():
            self.study._storage.set_trial_user_attr(trial._trial_id, name, value)
        self._by_variant[variant] = self.study.tell(trial.number, values, state=state)
