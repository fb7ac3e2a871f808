"""The comparisons that a run store holds: its studies and its runs. Without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from fuseablate.errors import InputError
from fuseablate.io.reading import holders
from fuseablate.report.collect import of_records, of_study, predictor
from fuseablate.report.comparison import Comparison
from fuseablate.runs import (
    MANIFEST,
    Manifest,
    Record,
    Store,
    ZeroCostScores,
    alike,
    record_named,
    select_runs,
)

ELSE = "train one with 'fuseablate quickstart', or name another store with --runs"


def comparisons_of(
    store: Store, names: Sequence[str], predictors: Sequence[str] = ()
) -> list[Comparison]:
    """Return the studies and runs of those names; all runs of the store where there is none.

    `predictors` are studies whose order of the networks is compared with theirs.
    """
    if predictors:
        predicting = _predictors(store, predictors)
        return [replace(study, predictors=predicting) for study in comparisons_of(store, names)]
    folders = manifests(store)
    if not names:
        if records := store.records():
            return all_comparisons(records, folders)
        planned = ", ".join(folder.name for folder in folders)
        hint = f"'fuseablate report NAME' shows what a study plans: {planned}" if planned else ELSE
        raise InputError(f"{store.root}: holds no finished run; {hint}")
    studies: dict[Path, Comparison] = {}  # each once, however often it is named
    runs: dict[str, Record] = {}
    for name in names:
        if of_name := select_runs(store, [name]).studies:
            studies[of_name[0]] = of_study(
                Manifest.load(of_name[0]), store.readable, ZeroCostScores.load(of_name[0])
            )
        else:
            run = record_named(store, name)
            runs[run.digest] = run
    titles = _told_apart({folder: study.title for folder, study in studies.items()})
    titled = [replace(study, title=titles[folder]) for folder, study in studies.items()]
    return [*titled, *of_records(list(runs.values()))]


def _predictors(store: Store, names: Sequence[str]) -> dict[str, Mapping[str, float]]:
    """Return what the networks of studies reached, by what each of the studies is called."""
    folders = []
    for name in names:
        selected = select_runs(store, [name])
        if not selected.studies:
            raise InputError(f"--predicted-by {name}: is a run, and must be a study")
        folders.append(selected.studies[0])
    reached = {
        folder: predictor(Manifest.load(folder), store.readable)
        for folder in dict.fromkeys(folders)
    }
    titles = _told_apart({folder: title for folder, (title, _) in reached.items()})
    return {titles[folder]: means for folder, (_, means) in reached.items()}


def _told_apart(titles: Mapping[Path, str]) -> dict[Path, str]:
    """Return what studies are called, with the name of its folder where two are called alike."""
    ambiguous = alike(titles.values())
    return {
        folder: f"{title} ({folder.name})" if title in ambiguous else title
        for folder, title in titles.items()
    }


def all_comparisons(records: Sequence[Record], folders: Sequence[Path]) -> list[Comparison]:
    """Return the records in comparable groups, and what some studies compare.

    Those with tuned variants, whose recipes would part them, and those with planned looks, or with
    seeds changed after results were seen, which no record tells and a verdict must say. A group
    that holds nothing but such runs is left out.
    """
    by_digest = {record.digest: record for record in records}
    studies, of_studies = [], set()
    for folder in folders:
        with suppress(InputError):  # said where the study is asked for by its name
            manifest = Manifest.load(folder)
            looked = manifest.planned_seeds.looks or manifest.seen
            digests = {
                digest
                for variant in manifest.variants
                if variant.tuned or looked
                for digest in variant.runs.values()
            }
            if digests & by_digest.keys():
                studies.append(of_study(manifest, by_digest.get))
                of_studies |= digests
    groups = [
        group
        for group in of_records(records)
        if not all(run.digest in of_studies for _, run in group.runs)
    ]
    return [*studies, *groups]


def manifests(store: Store) -> list[Path]:
    """Return the folders of the studies that can be reported, the one changed last first."""
    return holders(store.root / "studies", MANIFEST)
