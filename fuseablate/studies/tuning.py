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
from fuseablate.studies.design import Variant, levels_of
from fuseablate.studies.driver import Driver
from fuseablate.studies.fixed import FixedWork, run_design
from fuseablate.studies.manifest import Outcome, manifest_of
from fuseablate.studies.plan import Plan, PlannedRun
from fuseablate.studies.schema import Tune
from fuseablate.studies.trials import Trials, distributions_of, open_study


@dataclass(frozen=True)
class Tuning:
    """What the variants of a plan try."""

    plan: Plan
    tune: Tune
    candidates: Mapping[str, tuple[Variant, ...]]
    """By a variant's name: the variant with each recipe, `<name> recipe <number>`, from 1."""

    @classmethod
    def of(cls, plan: Plan, tune: Tune) -> Tuning:
        """Return the tuning that a study file asks for."""
        candidates = {
            variant.name: tuple(
                replace(
                    variant,
                    names=(f"{variant.name} recipe {number}",),
                    levels=(levels_of(tune.parameters, trial.params),),
                    recipe=changed(variant.recipe, trial.changes),
                    untuned=variant.recipe,
                )
                for number, trial in enumerate(plan.recipes, 1)
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
        top1: dict[str, list[float | None]] = {}
        for run in self.runs_of(name):
            record = run.record(store)
            if record is None:
                return None
            top1.setdefault(run.variant.name, []).append(record.val.top1 if record.val else None)
        return {
            candidate: statistics.mean(value for value in values if value is not None)
            for candidate, values in top1.items()
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
            scores = self.scores(variant.name, store)
            if scores is None:
                return None
            if not scores:
                left_out.append(
                    f"{variant.name}: none of its {self.tune.n_trials} recipes was trained to the "
                    "end on all seeds; it is not compared"
                )
                continue
            candidates = {candidate.name: candidate for candidate in self.candidates[variant.name]}
            best = candidates[max(scores, key=lambda name: scores[name])]
            variants.append(replace(variant, recipe=best.recipe, untuned=variant.recipe))
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


def tune_and_compare(driver: Driver, tune: Tune, storage: BaseStorage) -> Outcome:
    """Have the recipes of all variants trained, and compare each variant at its best.

    Where a run of the tuning was given up nothing is compared: a variant that has tried fewer
    recipes would be at a disadvantage. The recipes are trials of an Optuna study of their own.
    """
    plan = driver.plan
    tuning = Tuning.of(plan, tune)
    untuned = Outcome(manifest_of(plan, ()), ())
    if tuning.tuned_plan(driver.store) is None:  # else the manifest of the comparison may be there
        untuned.manifest.save(driver.folder)
    study = open_study(f"{driver.folder.name}-tuning", storage)
    trials = Trials(study, distributions_of(tune.parameters))
    for candidates in tuning.candidates.values():
        for candidate, trial in zip(candidates, plan.recipes, strict=True):
            trials.start(candidate.name, trial.params, plan.attributes(candidate))
    driver.expect(tuning.runs)
    driver.run(FixedWork(plan, driver.store, trials, tuning.runs))
    tuned = tuning.tuned_plan(driver.store)
    if tuned is None:
        driver.note("the tuning is incomplete, and nothing is compared; start the study again")
        return untuned
    for variant in tuned.design.variants:
        driver.note(f"{variant.name}: tuned to {variant.tuned}")
    return run_design(driver, tuned, storage)
