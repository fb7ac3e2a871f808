"""From records, alone or with the manifest of their study, to comparisons. Without torch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from statistics import fmean
from typing import Any

from fuseablate.errors import InputError
from fuseablate.io.terminal import counted
from fuseablate.report.comparison import ComparedVariant, Comparison, UneditedTable
from fuseablate.runs import (
    Manifest,
    PlannedVariant,
    Record,
    ZeroCostScores,
    alike,
    differing,
    networks_of,
)
from fuseablate.runs.identity import SHORT_DIGITS
from fuseablate.seeds import unplanned
from fuseablate.spec import Spec, load_spec

UNTESTED = (
    "Untested: trained for a selection, as a search's trials are. The test set has not been read; "
    "these are validation scores, optimistic for the best, and nothing is claimed."
)


def of_records(records: Sequence[Record]) -> list[Comparison]:
    """Return the records in comparable groups: those of the same data and the same recipe.

    Untested runs, such as a search's trials, are never in one group with tested ones; since nothing
    is claimed of them, they share one, the last, whatever their recipes. Else groups stand in the
    order in which they were begun, and in each the variants without edits come first, then the
    others by the order of training. A run counts once, however often its record is among them;
    two records of one run that differ are an InputError.
    """
    networks: dict[str, dict[str, dict[str, Record]]] = {}  # a group's, and their runs by digest
    records = sorted(records, key=lambda record: record.untested)  # a stable sort
    for record, network in zip(records, networks_of(records), strict=True):
        data, recipe = (
            json.dumps(table, sort_keys=True, default=list)
            for table in (record.data, record.recipe)
        )
        shared = f"{data} untested" if record.untested else f"{data} {recipe}"
        key = f"{network} {recipe}" if record.untested else network
        runs = networks.setdefault(shared, {}).setdefault(key, {})
        if runs.setdefault(record.digest, record) != record:
            raise InputError(
                f"run {record.digest[:SHORT_DIGITS]} ({_label(record, True)}, seed {record.seed}): "
                "has two records, which differ; keep one of them"
            )
    groups = [
        {network: tuple(runs.values()) for network, runs in group.items()}
        for group in networks.values()
    ]
    firsts = [next(iter(group.values()))[0] for group in groups]
    data_texts = _told_apart([_data(run) for run in firsts], [run.data for run in firsts])
    recipes = _told_apart([_recipe(run) for run in firsts], [run.recipe for run in firsts])
    return [
        _of_group(group, text, recipe)
        for group, text, recipe in zip(groups, data_texts, recipes, strict=True)
    ]


def _told_apart(texts: Sequence[str], tables: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the texts; to those that different tables share, what differs is added."""
    distinct = list(texts)
    for text in alike(texts):
        places = [at for at, other in enumerate(texts) if other == text]
        differences = differing([tables[at] for at in places])
        for at, difference in zip(places, differences, strict=True):
            distinct[at] = f"{text}, {difference}" if difference else text
    return distinct


def _of_group(group: Mapping[str, Sequence[Record]], data: str, recipe: str) -> Comparison:
    # A stable sort: those without edits first.
    ordered = sorted(group.items(), key=lambda item: bool(item[1][0].edits))
    several = len({runs[0].spec_name for runs in group.values()}) > 1
    # The runs of a group have one recipe, unless they are untested.
    recipes = differing([runs[0].recipe for _, runs in ordered])
    names = [
        f"{_label(runs[0], several)} {own}".strip()
        for (_, runs), own in zip(ordered, recipes, strict=True)
    ]
    ambiguous = alike(names)
    variants = []
    for (network, runs), text, own in zip(ordered, names, recipes, strict=True):
        first = runs[0]
        name = f"{text} ({network[:SHORT_DIGITS]})" if text in ambiguous else text
        variants.append(
            ComparedVariant(
                key=network,
                name=name,
                changes=name if first.label or own else "",
                levels=(),
                params=first.params,
                macs=first.macs,
                seeds=tuple(sorted(run.seed for run in runs)),
                runs=tuple(sorted(runs, key=lambda run: run.seed)),
                untested=first.untested,
            )
        )
    first = variants[0].runs[0]
    notes: list[str] = [UNTESTED] if first.untested else []
    unedited = _unedited(first)
    if first.edits:
        if len(variants) > 1 and not first.untested:
            notes.append(
                f"No run without edits is among these: the reference is {variants[0].name}, which "
                "was trained first."
            )
        notes.append(
            f"Costs are compared with those of {first.spec_name} without edits."
            if unedited
            else f"The table '{first.spec_name}' without edits is not known here: costs are "
            "compared with none."
        )
    return Comparison(
        variants=tuple(variants),
        spec=first.spec_name,
        data=data,
        recipe=f"{'various' if any(recipes) else recipe}, untested" if first.untested else recipe,
        notes=(*notes, *_notes([run for runs in group.values() for run in runs])),
        unedited=unedited,
    )


def _notes(runs: Sequence[Record]) -> tuple[str, ...]:
    """Return what the reader of a report is to know of its runs."""
    teachers = {run.teacher.run: run.teacher for run in runs if run.teacher}
    counts = Counter(run.teacher.run for run in runs if run.teacher)
    taught = [
        f"Distilled from {teacher.words}, whose cost is not among the costs here: "
        f"{counted(counts[id], 'run')}."
        for id, teacher in teachers.items()
    ]
    return (*taught, *unlike(runs))


def _unedited(run: Record) -> UneditedTable | None:
    """Return the table of which the run's network was edited, where it ships and still is it."""
    height, width = size = run.data["image_size"]
    with suppress(InputError):
        edited = Spec.from_dict(run.spec)
        table = load_spec(run.spec_name).with_classes(edited.classes)
        if run.edits and table.edit(*run.edits).digest(size) == edited.digest(size):
            return UneditedTable(table, (height, width))
    return None


def _label(run: Record, several: bool) -> str:
    """Return the edits, behind the spec's name where there are several specs; or the name alone."""
    return f"{run.spec_name} {run.label}".strip() if several or not run.label else run.label


def of_study(
    manifest: Manifest,
    get: Callable[[str], Record | None],
    scores: ZeroCostScores | None = None,
) -> Comparison:
    """Return a study's comparison; `get` returns the record of a digest, None where it has none.

    `scores` are zero-cost scores of its networks.
    """
    variants = tuple(_of_planned(planned, get) for planned in manifest.variants)
    runs = [run for variant in variants for run in variant.runs]
    looks = manifest.planned_seeds.looks
    notes = (
        *manifest.notes,
        *([looks.said] if looks else ()),
        *unplanned(manifest.seen, manifest.planned_seeds),
        *_notes(runs),
    )
    if manifest.tuned and not any(planned.tuned for planned in manifest.variants):
        notes += ("The variants are being tuned: nothing is compared yet.",)
    return Comparison(
        variants=variants,
        spec=manifest.spec,
        data=_data(runs[0]) if runs else "no run has ended",
        recipe=_study_recipe(manifest, runs[0]) if runs else "",
        name=manifest.name,
        title=manifest.title,
        question=manifest.question,
        design=manifest.design,
        notes=notes,
        search=manifest.search,
        trials=trials_of(manifest, get) if scores else (),
        matters=manifest.matters,
        made_equal=manifest.iso,
        looks=looks,
        scores=scores,
    )


def trials_of(
    manifest: Manifest, get: Callable[[str], Record | None]
) -> tuple[ComparedVariant, ...]:
    """Return the trials of a search that have all their seeds; `get` is that of `of_study`."""
    if manifest.search is None:
        return ()
    trials = (
        ComparedVariant(
            key=f"trial {trial.number}",
            name=f"trial {trial.number}",
            changes=trial.changes,
            levels=(),
            params=trial.params,
            macs=trial.macs,
            seeds=tuple(trial.runs),
            runs=tuple(run for digest in trial.runs.values() if (run := get(digest))),
            untested=True,
        )
        for trial in manifest.search.trials
        if trial.state == "complete"
    )
    return tuple(trial for trial in trials if trial.runs and not trial.incomplete)


def predictor(
    manifest: Manifest, get: Callable[[str], Record | None]
) -> tuple[str, Mapping[str, float]]:
    """Return what a study is called that predicts another, and what its networks reached.

    Mean validation top-1 in percent, by network, of those with one recipe. No such run is an
    InputError.
    """
    digests = [digest for planned in manifest.variants for digest in planned.runs.values()]
    runs = [(run, run.val.top1) for digest in digests if (run := get(digest)) and run.val]
    if not runs:
        raise InputError(f"study {manifest.name}: no run of it has a validation accuracy")
    reached: dict[str, list[float]] = {}
    recipes: dict[str, Mapping[str, Any]] = {}
    several: set[str] = set()
    for network, (run, top1) in zip(networks_of(run for run, _ in runs), runs, strict=True):
        reached.setdefault(network, []).append(100 * top1)
        if recipes.setdefault(network, run.recipe) != run.recipe:
            several.add(network)
    lengths = sorted({run.recipe["epochs"] for run, _ in runs})
    epochs = " or ".join(counted(length, "epoch") for length in lengths)
    means = {network: fmean(reached[network]) for network in reached if network not in several}
    return f"{manifest.name} ({epochs})", means


def _of_planned(planned: PlannedVariant, get: Callable[[str], Record | None]) -> ComparedVariant:
    name, *aliases = planned.names
    digests = dict(sorted(planned.runs.items()))
    return ComparedVariant(
        # The digest of a run names network, recipe and data, and its seed beside.
        key=next(iter(digests.values()), name),
        name=name,
        changes=planned.changes,
        aliases=tuple(aliases),
        levels=planned.levels,
        params=planned.params,
        macs=planned.macs,
        seeds=tuple(digests),
        runs=tuple(run for digest in digests.values() if (run := get(digest))),
        iso_of=planned.iso_of,
        latency=planned.latency,
    )


def _data(run: Record) -> str:
    height, width = run.data["image_size"]
    return f"{run.data_title}, {height}x{width}"


def _recipe(run: Record, name: str = "") -> str:
    epochs = run.recipe["epochs"]
    return f"{name or run.recipe_name} ({counted(epochs, 'epoch')})"


def _study_recipe(manifest: Manifest, run: Record) -> str:
    """Return the recipe of a study, one of whose first runs is `run`, and how it was tuned."""
    if manifest.tuned is None:
        return _recipe(run)
    tuned = [planned.tuned for planned in manifest.variants if run.digest in planned.runs.values()]
    seeds = manifest.tuned.seeds
    return (
        f"{_recipe(run, run.recipe_name.removesuffix(f' {tuned[0]}'))}, tuned for each variant: "
        f"the best of the same {manifest.tuned.trials} by validation, "
        f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
    )


def _device(environment: Mapping[str, object]) -> str:
    """Return the kind of the device and its name; which of several it was changes nothing."""
    kind = str(environment["device"]).partition(":")[0]
    return f"{kind} ({environment['device_name']})" if environment.get("device_name") else kind


# What changes results though it is no part of a run's digest, and how a record tells it.
ENVIRONMENT: Mapping[str, Callable[[Mapping[str, object]], str]] = {
    "threads": lambda environment: str(environment["threads"]),
    "device": _device,
    "torch": lambda environment: str(environment["torch"]),
}


def unlike(runs: Sequence[Record]) -> tuple[str, ...]:
    """Return a line that says where the runs were not trained on the same footing; or none."""
    differences = []
    for key, text in ENVIRONMENT.items():
        counts = Counter(text(run.environment) for run in runs if key in run.environment)
        if len(counts) > 1:
            *others, last = [
                f"{value} ({counted(count, 'run')})" for value, count in sorted(counts.items())
            ]
            differences.append(f"{key} {', '.join(others)} and {last}")
    if not differences:
        return ()
    return (
        "Not all runs were trained alike, which changes results by itself: "
        f"{'; '.join(differences)}.",
    )
