"""The tuning of a study's variants: each tries the same recipes, and is then compared at its best.

A recipe is chosen by the validation images, over the seeds of the tuning; its runs do not read
the test set. What was tried is what the run store holds. Without torch.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace

from optuna.storages import BaseStorage

from fuseablate.errors import InputError
from fuseablate.recipes import changed
from fuseablate.runs import Store
from fuseablate.studies.design import Variant
from fuseablate.studies.drive import Driver
from fuseablate.studies.fixed import FixedWork
from fuseablate.studies.plan import Plan, PlannedRun
from fuseablate.studies.schema import Tune
from fuseablate.studies.search.sampler import distribution_of
from fuseablate.studies.trials import Trials, open_study


@dataclass(frozen=True)
class Tuning:
    """What the variants of a plan try: `candidates`, by the first name of a variant.

    A candidate is the variant with one of the recipes, `<name> recipe <number>`, from 1.
    """

    plan: Plan
    tune: Tune
    candidates: Mapping[str, tuple[Variant, ...]]

    @classmethod
    def of(cls, plan: Plan, tune: Tune) -> Tuning:
        """Return the tuning that a study file asks for."""
        parameters = {one.name: one for one in tune.parameters}
        candidates = {
            variant.names[0]: tuple(
                replace(
                    variant,
                    names=(f"{variant.names[0]} recipe {number}",),
                    levels=({name: parameters[name].text(v) for name, v in one.params.items()},),
                    recipe=changed(variant.recipe, one.changes),
                    untuned=variant.recipe,
                )
                for number, one in enumerate(plan.tried, 1)
            )
            for variant in plan.design.variants
        }
        return cls(plan, tune, candidates)

    @property
    def runs(self) -> tuple[PlannedRun, ...]:
        """The runs of the tuning, variant by variant; none reads the test set."""
        return tuple(run for name in self.candidates for run in self.runs_of(name))

    def runs_of(self, name: str) -> tuple[PlannedRun, ...]:
        """Return the runs of the variant's candidates."""
        return self.plan.planned(self.candidates[name], self.tune.seeds, tested=False)

    def scores(self, name: str, store: Store) -> dict[str, float] | None:
        """Return the mean validation top-1 of each candidate without a failed run.

        None as long as one of the variant's runs has not ended.
        """
        found: dict[str, list[float | None]] = {}
        for run in self.runs_of(name):
            record = run.record(store)
            if record is None:
                return None
            top1 = record.val.top1 if record.val else None
            found.setdefault(run.variant.names[0], []).append(top1)
        return {
            candidate: statistics.mean(value for value in values if value is not None)
            for candidate, values in found.items()
            if None not in values
        }

    def tuned_plan(self, store: Store) -> Plan | None:
        """Return the plan with each variant's best recipe; None before all runs have ended.

        Of recipes that are equally good the first is taken. A variant none of whose recipes was
        trained to its end is left out, with a note; where it is the reference, that is an
        `InputError`.
        """
        variants, left_out = [], []
        for variant in self.plan.design.variants:
            name = variant.names[0]
            scores = self.scores(name, store)
            if scores is None:
                return None
            if not scores:
                left_out.append(
                    f"{name}: none of its {self.tune.n_trials} recipes was trained to the end on "
                    "all seeds; it is not compared"
                )
                continue
            best = max(scores, key=lambda candidate: scores[candidate])
            (chosen,) = (each for each in self.candidates[name] if each.names[0] == best)
            variants.append(replace(variant, recipe=chosen.recipe, untuned=variant.recipe))
        reference = self.plan.design.reference
        if not variants or variants[0].names != reference.names:
            raise InputError(
                f"{self.plan.study.path}: tune: {left_out[0]}, and all others are compared to it; "
                "give other parameters"
            )
        design = replace(
            self.plan.design,
            reference=variants[0],
            variants=tuple(variants),
            left_out=(*self.plan.design.left_out, *left_out),
        )
        return self.plan.comparing(design)


def tuned(plan: Plan, store: Store) -> Plan | None:
    """Return what is compared: the plan, each variant tuned where the study asks for it.

    None where the tuning has not ended.
    """
    tune = plan.study.tune
    return Tuning.of(plan, tune).tuned_plan(store) if tune else plan


def run_tuning(driver: Driver, tune: Tune, storage: BaseStorage, name: str) -> Plan | None:
    """Have the recipes of all variants trained, and return the tuned plan.

    `name` is that of the Optuna study; the recipes are trials of another one, `<name>-tuning`.
    None where a run was given up: a variant that has tried fewer recipes is not compared.
    """
    plan = driver.plan
    tuning = Tuning.of(plan, tune)
    distributions = {one.name: distribution_of(one) for one in tune.parameters}
    trials = Trials(open_study(f"{name}-tuning", storage), distributions)
    for candidates in tuning.candidates.values():
        for one, what in zip(candidates, plan.tried, strict=True):
            trials.start(one.names[0], what.params, plan.attributes(one))
    for run in tuning.runs:
        driver.line(run)
    driver.run(FixedWork(plan, tuning.runs, driver.store, trials))
    found = tuning.tuned_plan(driver.store)
    if found is None:
        driver.note("the tuning is not whole, and nothing is compared; start the study again")
        return None
    for variant in found.design.variants:
        driver.note(f"{variant.names[0]}: tuned to {variant.tuned}")
    for run in found.runs:
        driver.line(run)
    return found
