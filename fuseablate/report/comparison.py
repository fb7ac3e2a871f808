"""What a report compares: variants with their runs, the reference first. Without torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from fuseablate.report.machines import unlike
from fuseablate.runs import (
    MATTERS,
    Manifest,
    PlannedVariant,
    Record,
    Searched,
    alike,
    differing,
    networks_of,
)
from fuseablate.runs.identity import DIGITS
from fuseablate.seeds import Looks, unplanned

SHORT = 32  # characters
UNTESTED = (
    "Untested: trained to choose by, as a search's trials are. The test set has not been read; "
    "these are validation scores, too high for the best, and nothing is claimed."
)


@dataclass(frozen=True, kw_only=True)
class ComparedVariant:
    """The runs that differ in their seed alone, ordered by it, and what they share.

    key: what it is known by, a digest that stands for its network and recipe. name: what a study
    calls it, or the edits, or the spec's name; no two of a comparison have the same. seeds: those
    that were asked for; a run that has not ended is not among `runs`. changes: the edits, and the
    recipe where it is not the reference's; empty for the reference of most designs. untested:
    whether the runs were trained to choose by, and the test set was not read with them.
    """

    key: str
    name: str
    changes: str
    edits: tuple[str, ...]
    levels: tuple[Mapping[str, str], ...]
    params: int
    macs: int
    seeds: tuple[int, ...]
    runs: tuple[Record, ...]
    iso_of: str | None = None
    latency: float | None = None
    untested: bool = False

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
        return tuple(run for run in self.runs if run.val and (run.test or self.untested))

    @property
    def diverged(self) -> str:
        """How many runs ended without a result, in words; empty where none did.

        The mean of the others says nothing of the variant: it is one over the runs that went well.
        """
        count = sum(run.failure is not None for run in self.runs)
        asked = len(self.seeds)
        return f"{count} of {asked} run{'s' * (asked > 1)} diverged" if count else ""

    def scores(self, part: str, measure: str) -> dict[int, float]:
        """Return `top1` or `top5` of `val` or `test` by seed, in percent, of finished runs."""
        return {run.seed: 100 * getattr(getattr(run, part), measure) for run in self.finished}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Variants that may be compared, the reference first: a study's, or those of a run store.

    name, title, question, design, factors and search are those of a study; empty without. notes:
    what the reader must know beside the numbers. data and recipe say what the runs were trained on
    and how, in words. matters: the smallest difference that matters, in points. interval: what the
    intervals hold, the error of the seeds or `both`, that of the test images too. looks:
    those that were planned; None without.
    """

    variants: tuple[ComparedVariant, ...]
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
    matters: float = MATTERS
    interval: Literal["seeds", "both"] = "seeds"
    looks: Looks | None = None

    @property
    def reference(self) -> ComparedVariant:
        """What the others are compared to."""
        return self.variants[0]

    @property
    def heading(self) -> str:
        """The title, or without one what the runs were trained on and how."""
        return self.title or self.setting

    @property
    def untested(self) -> bool:
        """Whether the variants were trained to choose by: of these nothing is claimed."""
        return self.reference.untested

    @property
    def setting(self) -> str:
        """What the runs were trained on and how, in words."""
        return f"{self.data}, recipe {self.recipe}" if self.recipe else self.data

    @property
    def raw(self) -> tuple[ComparedVariant, ...]:
        """The variants as their edits make them, the reference first."""
        return tuple(variant for variant in self.variants if variant.iso_of is None)

    @property
    def iso(self) -> tuple[ComparedVariant, ...]:
        """The reference and the variants rescaled to its cost; empty where a study has none."""
        rescaled = tuple(variant for variant in self.variants if variant.iso_of is not None)
        return (self.reference, *rescaled) if rescaled else ()


def of_records(records: Sequence[Record]) -> list[Comparison]:
    """Return the records in comparable groups: those of the same data and the same recipe.

    Untested runs, such as a search's trials, are never in one group with tested ones; since nothing
    is claimed of them, they share one, the last, whatever their recipes. Else groups stand in the
    order in which they were begun, and in each the variants without edits come first, then the
    others by the order of training.
    """
    groups: dict[str, dict[str, list[Record]]] = {}
    records = sorted(records, key=lambda record: record.untested)  # a stable sort
    for record, network in zip(records, networks_of(records), strict=True):
        source, recipe = (
            json.dumps(table, sort_keys=True, default=list)
            for table in (record.data, record.recipe)
        )
        shared = f"{source} untested" if record.untested else f"{source} {recipe}"
        variant = f"{network} {recipe}" if record.untested else network
        groups.setdefault(shared, {}).setdefault(variant, []).append(record)
    firsts = [next(iter(group.values()))[0] for group in groups.values()]
    data = _told_apart([_data(run) for run in firsts], [run.data for run in firsts])
    recipes = _told_apart([_recipe(run) for run in firsts], [run.recipe for run in firsts])
    return [_of_group(*each) for each in zip(groups.values(), data, recipes, strict=True)]


def _told_apart(texts: Sequence[str], tables: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the texts; to those that different tables share, what differs is added."""
    said = list(texts)
    for text in alike(texts):
        some = [at for at, each in enumerate(texts) if each == text]
        for at, more in zip(some, differing([tables[at] for at in some]), strict=True):
            said[at] = f"{text}, {more}" if more else text
    return said


def _of_group(group: Mapping[str, Sequence[Record]], data: str, recipe: str) -> Comparison:
    # A stable sort: those without edits first.
    ordered = sorted(group.items(), key=lambda item: bool(item[1][0].edits))
    several = len({runs[0].spec_name for runs in group.values()}) > 1
    # The runs of a group have one recipe, unless they are untested.
    own = differing([runs[0].recipe for _, runs in ordered])
    names = [
        f"{_name(runs[0], several)} {more}".strip()
        for (_, runs), more in zip(ordered, own, strict=True)
    ]
    unclear = alike(names)
    variants = []
    for (network, runs), text, more in zip(ordered, names, own, strict=True):
        first = runs[0]
        name = f"{text} ({network[:DIGITS]})" if text in unclear else text
        variants.append(
            ComparedVariant(
                key=network,
                name=name,
                changes=name if first.label or more else "",
                edits=first.edits,
                levels=(),
                params=first.params,
                macs=first.macs,
                seeds=tuple(sorted(run.seed for run in runs)),
                runs=tuple(sorted(runs, key=lambda run: run.seed)),
                untested=first.untested,
            )
        )
    first = variants[0].runs[0]
    notes: tuple[str, ...] = ()
    if first.untested:
        notes = (UNTESTED,)
    elif first.edits and len(variants) > 1:
        notes = (f"No run without edits is here: the reference is {variants[0].short}, trained "
                 "first.",)  # fmt: skip
    return Comparison(
        variants=tuple(variants),
        spec=first.spec_name,
        data=data,
        recipe=f"{'various' if any(own) else recipe}, untested" if first.untested else recipe,
        notes=(*notes, *unlike([run for runs in group.values() for run in runs])),
    )


def _name(run: Record, several: bool) -> str:
    """Return the edits, behind the spec's name where there are several specs; or the name alone."""
    return f"{run.spec_name} {run.label}".strip() if several or not run.label else run.label


def of_study(manifest: Manifest, get: Callable[[str], Record | None]) -> Comparison:
    """Return a study's comparison; `get` returns the record of a digest, None where it has none."""
    unclear = alike(
        text
        for planned in manifest.variants
        for text in {_name_of(planned), _changes(planned)} - {""}
    )
    variants = tuple(_of_planned(planned, unclear, get) for planned in manifest.variants)
    runs = [run for variant in variants for run in variant.runs]
    known = runs[0] if runs else None
    looks = manifest.planned_seeds.looks
    notes = (
        *manifest.notes,
        *([looks.said] if looks else ()),
        *unplanned(manifest.seen, manifest.planned_seeds),
        *unlike(runs),
    )
    if manifest.tuned and not any(planned.tuned for planned in manifest.variants):
        notes += ("The variants are being tuned: nothing is compared yet.",)
    return Comparison(
        variants=variants,
        spec=manifest.spec,
        data=_data(known) if known else "no run has ended",
        recipe=_recipe_of(manifest, known) if known else "",
        name=manifest.name,
        title=manifest.title,
        question=manifest.question,
        design=manifest.design,
        factors=manifest.factors,
        notes=notes,
        search=manifest.search,
        matters=manifest.matters,
        looks=looks,
    )


def _of_planned(
    planned: PlannedVariant, unclear: Collection[str], get: Callable[[str], Record | None]
) -> ComparedVariant:
    name, changes = _name_of(planned), _changes(planned)
    runs = dict(sorted(planned.runs.items()))
    return ComparedVariant(
        # The digest of a run names network, recipe and data, and its seed beside.
        key=next(iter(runs.values()), name),
        name=name,
        changes=f"{changes} ({name})" if changes in unclear else changes,
        edits=planned.edits,
        levels=planned.levels,
        params=planned.params,
        macs=planned.macs,
        seeds=tuple(runs),
        runs=tuple(run for digest in runs.values() if (run := get(digest))),
        iso_of=planned.iso_of,
        latency=planned.latency,
    )


def _name_of(planned: PlannedVariant) -> str:
    return " = ".join(planned.names)


def _changes(planned: PlannedVariant) -> str:
    parts = [part for part in (planned.spec, *planned.edits, planned.recipe) if part]
    if planned.tuned:
        parts = [*(parts or planned.names[:1]), planned.tuned]
    return " ".join(parts)


def _data(run: Record) -> str:
    height, width = run.data["image_size"]
    return f"{run.data_title}, {height}x{width}"


def _recipe(run: Record) -> str:
    return f"{run.recipe_name} ({_epochs(run)})"


def _epochs(run: Record) -> str:
    count = run.recipe["epochs"]
    return f"{count} epoch{'s' * (count != 1)}"


def _recipe_of(manifest: Manifest, run: Record) -> str:
    """Return the recipe of a study, one of whose first runs is `run`, and how it was tuned."""
    if manifest.tuned is None:
        return _recipe(run)
    ends = [planned.tuned for planned in manifest.variants if run.digest in planned.runs.values()]
    name = run.recipe_name.removesuffix(f" {ends[0]}")
    seeds = ", ".join(map(str, manifest.tuned.seeds))
    many = "seed" if len(manifest.tuned.seeds) == 1 else "seeds"
    return (
        f"{name} ({_epochs(run)}), tuned for each variant: the best of the same "
        f"{manifest.tuned.trials} by validation, {many} {seeds}"
    )
