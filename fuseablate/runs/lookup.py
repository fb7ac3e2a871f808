"""The runs and studies of a store, by the names that a user gives them. Without torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from fuseablate.errors import InputError, unknown
from fuseablate.io.reading import MissingError, entries
from fuseablate.runs.manifest import Manifest
from fuseablate.runs.record import Record, read_record
from fuseablate.runs.status import StudyStatus
from fuseablate.runs.store import DIGITS, RECORD, Store

RUN_FOLDER = re.compile(rf"[0-9a-f]{{{DIGITS}}}")
MOST_NAMED = 3  # runs that are named where one is asked for that is not there


def run_folders(store: Store) -> list[Path]:
    """Return the folders of all runs, by id."""
    folders = entries(store.root)
    return [path for path in folders if RUN_FOLDER.fullmatch(path.name) and path.is_dir()]


def study_folders(store: Store) -> list[Path]:
    """Return the folders of all studies, the one changed last first."""
    folders = [path for path in entries(store.root / "studies") if path.is_dir()]
    return sorted(folders, key=lambda folder: -folder.stat().st_mtime)


def run_named(
    store: Store,
    name: str,
    folders: Sequence[Path] | None = None,
    studies: Sequence[Path] | None = None,
) -> Path:
    """Return the folder of the run whose id begins with `name`.

    folders: of the runs that are meant; None: of all. studies: those that the name could have
    meant as well. An `InputError` says that there is none, with the nearest, or more than one.
    """
    if folders is None:
        whole = store.root / name[:DIGITS]
        if RUN_FOLDER.fullmatch(whole.name) and whole.is_dir():
            return whole  # without a look at the others: a store may hold a hundred thousand
        folders = run_folders(store)
    matches = [folder for folder in folders if name and folder.name.startswith(name[:DIGITS])]
    if len(matches) > 1:
        ids = ", ".join(folder.name for folder in matches[:MOST_NAMED])
        more = ", ..." if len(matches) > MOST_NAMED else ""
        raise InputError(
            f"run '{name}': {len(matches)} runs of {store.root} begin with it ({ids}{more}); "
            "give more digits"
        )
    if matches:
        return matches[0]
    if not folders and not studies:
        nothing = "no run" if studies is None else "no run and no study"
        raise InputError(f"'{name}': {store.root} holds {nothing}")
    near = get_close_matches(name, [folder.name for folder in folders], MOST_NAMED, cutoff=0)
    others = len(folders) - MOST_NAMED
    more_runs = [f"{others} more run{'s' * (others > 1)}"] if others > 0 else []
    choices = [*dict.fromkeys(map(_title, studies or ())), *near, *more_runs]
    what = "run" if studies is None else "study or run"
    raise unknown(what, name, choices).within(str(store.root))


def record_named(store: Store, name: str) -> Record:
    """Return the record of the run whose digest begins with `name`; see `run_named`.

    Of a run that has not ended, that is an `InputError`, too.
    """
    folder = run_named(store, name)
    try:
        record = read_record(folder / RECORD)
    except MissingError:
        raise InputError(f"run {folder}: has not ended") from None
    if not record.digest.startswith(name):
        raise InputError(f"run {folder}: has the digest {record.digest}, which is not {name}")
    return record


@dataclass(frozen=True)
class StoreSelection:
    """Runs, by their folders, and studies, by theirs."""

    runs: tuple[Path, ...]
    studies: tuple[Path, ...]


def select_runs(store: Store, names: Sequence[str]) -> StoreSelection:
    """Return the runs and studies of those names; all of the store where there is none.

    A name is that of a study, with its digest or without (then the newest), or the first digits
    of a run's id. An `InputError` says that nothing has it, or more than one run.
    """
    studies = study_folders(store)
    if not names:
        return StoreSelection(tuple(run_folders(store)), tuple(studies))
    folders: list[Path] | None = None  # of a large store they are many: looked at where it must be
    # Tables, for the order of the names without repeats.
    runs: dict[Path, None] = {}
    selected: dict[Path, None] = {}
    for name in names:
        stem = Path(name).stem if name.endswith(".toml") else name
        study = next((s for s in studies if stem in (s.name, _title(s))), None)
        if study:
            selected[study] = None
            ids = sorted(filter(RUN_FOLDER.fullmatch, runs_of_study(study)))
            runs |= dict.fromkeys(path for path in map(store.root.joinpath, ids) if path.is_dir())
        else:
            folders = run_folders(store) if folders is None else folders
            runs[run_named(store, name, folders, studies)] = None
    return StoreSelection(tuple(runs), tuple(selected))


def runs_of_study(folder: Path) -> set[str]:
    """Return the ids of a study's runs: those that its report compares, and a search's trials."""
    ids: set[str] = set()
    for digests in (_compared, _trained):
        try:
            ids |= {digest[:DIGITS] for digest in digests(folder)}
        except InputError:  # it has none, or a spoilt one; the other may do
            continue
    return ids


def _compared(folder: Path) -> Iterable[str]:
    variants = Manifest.load(folder).variants
    return [digest for variant in variants for digest in variant.runs.values()]


def _trained(folder: Path) -> Iterable[str]:
    return [run.digest for run in StudyStatus.load(folder).lines]


def _title(study: Path) -> str:
    """Return the name of a study's folder without its digest."""
    return study.name.rpartition("-")[0]
