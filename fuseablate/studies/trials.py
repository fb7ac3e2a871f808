"""Optuna's side of a study: a trial is a variant, its seeds are runs within it.

The designs' variants are enqueued, a search's are sampled. What is done is read from the run
store; Optuna's storage holds the order, the parameters and the values, for its samplers and for
optuna-dashboard. Without torch.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.storages import BaseStorage
from optuna.storages.journal import JournalFileBackend, JournalStorage
from optuna.trial import FrozenTrial, TrialState

from fuseablate.errors import InputError
from fuseablate.studies.design import Design

KEY = "variant"  # the user attribute that names a trial's variant


def open_storage(url: str | None, folder: Path) -> BaseStorage | str:
    """Return the storage of that URL, or the journal file in the study's folder.

    The journal file takes parallel writers, which SQLite does not.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if url is not None:
        return url
    return JournalStorage(JournalFileBackend(str(folder / "journal.log")))


def open_study(
    name: str,
    storage: BaseStorage | str,
    directions: Sequence[Literal["maximize", "minimize"]] = ("maximize",),
    sampler: optuna.samplers.BaseSampler | None = None,
) -> optuna.Study:
    """Return the Optuna study of that name, made where it is missing."""
    try:
        return optuna.create_study(
            study_name=name,
            storage=storage,
            directions=list(directions),
            sampler=sampler,
            load_if_exists=True,
        )
    except Exception as error:  # SQLAlchemy, a broken journal, an unreachable host
        raise InputError(f"Optuna storage: {' '.join(str(error).split())[:300]}") from None


class Trials:
    """The trials of a design: exactly one for each variant, whatever was interrupted."""

    def __init__(self, study: optuna.Study, factors: Mapping[str, Sequence[str]]) -> None:
        self._study = study
        self._distributions: dict[str, BaseDistribution] = {
            name: CategoricalDistribution(list(levels)) for name, levels in factors.items()
        }
        self._by_variant: dict[str, FrozenTrial] = {
            trial.user_attrs[KEY]: trial for trial in study.get_trials() if KEY in trial.user_attrs
        }

    def start(self, variant: str, levels: Mapping[str, str], attributes: Mapping[str, Any]) -> None:
        """Have the variant's trial run: a trial that an earlier process left goes on."""
        if variant in self._by_variant:
            return
        self._study.enqueue_trial(dict(levels), user_attrs={KEY: variant, **attributes})
        trial = self._study.ask(self._distributions)
        self._by_variant[variant] = self._study.trials[trial.number]

    def finish(self, variant: str, value: float | None, attributes: Mapping[str, Any]) -> None:
        """File the variant's mean over its seeds, or that it has none."""
        trial = self._by_variant[variant]
        if trial.state.is_finished():
            return
        for name, each in attributes.items():
            self._study._storage.set_trial_user_attr(trial._trial_id, name, each)
        state = TrialState.COMPLETE if value is not None else TrialState.FAIL
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._by_variant[variant] = self._study.tell(trial.number, value, state=state)


def factors_of(design: Design) -> dict[str, list[str]]:
    """Return each factor's levels, as the variants of a design have them."""
    factors: dict[str, dict[str, None]] = {}
    for variant in design.variants:
        for factor, level in variant.levels.items():
            factors.setdefault(factor, {})[level] = None
    return {factor: list(levels) for factor, levels in factors.items()}
