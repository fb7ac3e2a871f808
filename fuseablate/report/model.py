"""What a report compares: variants with their runs, the reference first. Without torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from fuseablate.keys import SPEC_RULES
from fuseablate.ops import OPS
from fuseablate.record import Record
from fuseablate.report.manifest import Manifest, PlannedVariant, Searched
from fuseablate.spec import Spec

SHORT = 32  # characters
_USUAL = {key: getattr(Spec, key, None) for key in SPEC_RULES if key != "divisor"}


@dataclass(frozen=True, kw_only=True)
class Variant:
    """The runs that differ in their seed alone, ordered by it, and what they share.

    name: what a study calls it, or the edits, or the spec's name. seeds: those that were asked
    for; a run that has not ended is not among `runs`. changes: the edits, and the recipe where
    it is not the reference's; empty for the reference of most designs.
    """

    name: str
    changes: str
    edits: tuple[str, ...]
    levels: Mapping[str, str]
    params: int
    macs: int
    seeds: tuple[int, ...]
    runs: tuple[Record, ...]
    iso_of: str | None = None
    latency: float | None = None

    @property
    def label(self) -> str:
        """What was changed, or the name where nothing was."""
        return self.changes or self.name

    @property
    def short(self) -> str:
        """The label, or where that is long the name, by which tables with the edits call it."""
        return self.label if len(self.label) <= SHORT else self.name

    @property
    def finished(self) -> tuple[Record, ...]:
        """The runs that have a result."""
        return tuple(run for run in self.runs if run.test and run.val)

    def scores(self, part: str, measure: str) -> dict[int, float]:
        """Return `top1` or `top5` of `val` or `test` by seed, in percent, of finished runs."""
        return {run.seed: 100 * getattr(getattr(run, part), measure) for run in self.finished}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Variants that may be compared, the reference first: a study's, or those of a run store.

    name, title, question, design, factors, notes and search are those of a study; empty without.
    data and recipe say what the runs were trained on and how, in words.
    """

    variants: tuple[Variant, ...]
    spec: str
    data: str
    recipe: str
    name: str = ""
    title: str = ""
    question: str = ""
    design: str = ""
    factors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    search: Searched | None = None

    @property
    def reference(self) -> Variant:
        """What the others are compared to."""
        return self.variants[0]

    @property
    def setting(self) -> str:
        """What the runs were trained on and how, in words."""
        return f"{self.data}, recipe {self.recipe}" if self.recipe else self.data

    @property
    def raw(self) -> tuple[Variant, ...]:
        """The variants as their edits make them, the reference first."""
        return tuple(variant for variant in self.variants if variant.iso_of is None)

    @property
    def iso(self) -> tuple[Variant, ...]:
        """The reference and the variants rescaled to its cost; empty where a study has none."""
        rescaled = tuple(variant for variant in self.variants if variant.iso_of is not None)
        return (self.reference, *rescaled) if rescaled else ()


def of_records(records: Sequence[Record]) -> list[Comparison]:
    """Return the records in comparable groups: those of the same data and the same recipe.

    The groups stand in the order in which they were begun; in each the variants without edits
    come first, then the others by the order of training.
    """
    groups: dict[str, dict[str, list[Record]]] = {}
    for record in records:
        shared = json.dumps([record.data, record.recipe], sort_keys=True, default=list)
        variant = json.dumps(_network(record), sort_keys=True)
        groups.setdefault(shared, {}).setdefault(variant, []).append(record)
    return [_of_group(list(group.values())) for group in groups.values()]


def _network(record: Record) -> list[object]:
    """Return what the record's table says beyond defaults, so that new cells part no runs."""
    head = {key: record.spec.get(key, usual) for key, usual in _USUAL.items()}
    rows = [
        {key: value for key, value in row.items() if value != usual.get(key)}
        for row in record.spec["rows"]
        for usual in (OPS[row["op"]].defaults() if row["op"] in OPS else {},)
    ]
    return [head, rows]


def _of_group(group: Sequence[Sequence[Record]]) -> Comparison:
    variants = []
    for runs in sorted(group, key=lambda runs: bool(runs[0].edits)):  # a stable sort
        first = runs[0]
        variants.append(
            Variant(
                name=first.label or first.spec_name,
                changes=first.label,
                edits=first.edits,
                levels={},
                params=first.params,
                macs=first.macs,
                seeds=tuple(sorted(run.seed for run in runs)),
                runs=tuple(sorted(runs, key=lambda run: run.seed)),
            )
        )
    first = variants[0].runs[0]
    notes = (
        (f"No run without edits is here: the reference is {variants[0].short}, trained first.",)
        if first.edits and len(variants) > 1
        else ()
    )
    return Comparison(
        variants=tuple(variants),
        spec=first.spec_name,
        data=_data(first),
        recipe=_recipe(first),
        notes=notes,
    )


def of_study(manifest: Manifest, get: Callable[[str], Record | None]) -> Comparison:
    """Return a study's comparison; `get` returns the record of a digest, None where it has none."""
    variants = tuple(_of_planned(planned, manifest.spec, get) for planned in manifest.variants)
    known = next((run for variant in variants for run in variant.runs), None)
    return Comparison(
        variants=variants,
        spec=manifest.spec,
        data=_data(known) if known else "no run has ended",
        recipe=_recipe(known) if known else "",
        name=manifest.name,
        title=manifest.title,
        question=manifest.question,
        design=manifest.design,
        factors=manifest.factors,
        notes=manifest.notes,
        search=manifest.search,
    )


def _of_planned(planned: PlannedVariant, spec: str, get: Callable[[str], Record | None]) -> Variant:
    parts = (planned.spec, *planned.edits, planned.recipe)
    changes = " ".join(part for part in parts if part)
    return Variant(
        name=" = ".join(planned.names),
        changes=changes,
        edits=planned.edits,
        levels=planned.levels,
        params=planned.params,
        macs=planned.macs,
        seeds=tuple(sorted(planned.runs)),
        runs=tuple(run for _, digest in sorted(planned.runs.items()) if (run := get(digest))),
        iso_of=planned.iso_of,
        latency=planned.latency,
    )


def _data(run: Record) -> str:
    height, width = run.data["image_size"]
    return f"{run.data_title}, {height}x{width}"


def _recipe(run: Record) -> str:
    return f"{run.recipe_name} ({run.recipe['epochs']} epochs)"
