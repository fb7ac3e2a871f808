"""The manifest of a study: what it compares, as its report reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fuseablate.errors import InputError
from fuseablate.recipes import changes_of
from fuseablate.runs import Manifest, PlannedVariant, Searched, Store, Tuned
from fuseablate.seeds import SeedPlan
from fuseablate.studies.design import Variant, levels_by_factor
from fuseablate.studies.plan import Plan, PlannedRun


@dataclass(frozen=True)
class Outcome:
    """What a study compares by now: its manifest, and the runs that it names."""

    manifest: Manifest
    runs: tuple[PlannedRun, ...]


def manifest_of(
    plan: Plan,
    runs: Sequence[PlannedRun],
    search: Searched | None = None,
    latencies: Mapping[str, float] | None = None,
) -> Manifest:
    """Return the study with these runs, which are those of the plan or a search's finalists.

    Without runs it is that of a study whose variants are being tuned, with its variants alone.
    `latencies` are milliseconds an image, by the name of a variant, where they were measured.
    """
    study, design = plan.study, plan.design
    compared = [run.variant for run in runs] or design.variants
    variants = list({variant.names: variant for variant in compared}.values())
    return Manifest(
        name=study.name,
        title=study.title,
        question=study.question,
        design=study.design,
        spec=study.spec.name,
        variants=tuple(
            _planned(plan, variant, runs, (latencies or {}).get(variant.name))
            for variant in variants
        ),
        factors=levels_by_factor(levels for variant in variants for levels in variant.levels),
        notes=(*design.left_out, *design.notes),
        search=search,
        tuned=Tuned(trials=study.tune.n_trials, seeds=study.tune.seeds) if study.tune else None,
        matters=study.matters,
        iso=study.iso,
        seeds=plan.seeds,
        seen=plan.seen,
    )


def seen_before(plan: Plan, folder: Path, store: Store) -> tuple[SeedPlan, ...]:
    """Return the plans of seeds before this one, under which the study had results to be seen."""
    with suppress(InputError):  # none has been written
        before = Manifest.load(folder)
        digests = (digest for variant in before.variants for digest in variant.runs.values())
        had_results = any(store.get(digest) for digest in digests)
        changed = not before.planned_seeds.says_the_same_as(plan.seeds)
        return (*before.seen, before.planned_seeds) if changed and had_results else before.seen
    return ()


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
