"""Runs and studies by the names that a user gives them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from fuseablate.errors import InputError
from fuseablate.runs import (
    Manifest,
    RunStatus,
    Store,
    StudyStatus,
    ZeroCostScores,
    record_named,
    select_runs,
)
from fuseablate.runs.lookup import run_named, runs_of_study
from tests.helpers.paths import REPORTS
from tests.helpers.records import plain_record, put

# Folders that begin alike, to 1, 3 and 15 digits.
IDS = ("0a00000000000000", "0ab1000000000000", "0ab1000000000001", "c" * 16)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Four runs that have not ended, and what is no run's folder."""
    for name in (*IDS, "0ab", "ABCDEFABCDEFABCD", "studies"):
        (tmp_path / name).mkdir()
    (tmp_path / ("d" * 16)).write_text("a file")
    return Store(tmp_path)


def refused(store: Store, *names: str) -> str:
    with pytest.raises(InputError) as error:
        select_runs(store, names)
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "found"),
    [("0a0", IDS[0]), ("0ab1000000000000", IDS[1]), (IDS[2] + "f" * 48, IDS[2]), ("c", IDS[3])],
)
def test_a_run_is_named_by_its_first_digits(store: Store, name: str, found: str) -> None:
    assert run_named(store, name) == store.root / found
    assert select_runs(store, [name]).runs == (store.root / found,)


def test_no_name_selects_all_runs_and_no_other_folder(store: Store) -> None:
    selection = select_runs(store, [])
    assert [folder.name for folder in selection.runs] == list(IDS)
    assert selection.studies == ()
    nothing = select_runs(Store(store.root / "nowhere"), [])
    assert (nothing.runs, nothing.studies) == ((), ())


def test_the_order_is_that_of_the_names_without_repeats(store: Store) -> None:
    runs = select_runs(store, ["c", "0a0", "cccc"]).runs
    assert [folder.name for folder in runs] == [IDS[3], IDS[0]]


def test_several_runs_that_begin_alike(store: Store) -> None:
    root = store.root
    assert refused(store, "0ab1") == (
        f"run '0ab1': 2 runs of {root} begin with it ({IDS[1]}, {IDS[2]}); give more digits"
    )
    (root / "0ab2000000000000").mkdir()
    assert f"4 runs of {root} begin with it ({IDS[0]}, {IDS[1]}, {IDS[2]}, ...)" in refused(
        store, "0a"
    )
    assert f"3 runs of {root} begin with it ({IDS[1]}, {IDS[2]}, 0ab2000000000000);" in refused(
        store, "0ab"
    )


def test_an_unknown_name_is_told_the_nearest(store: Store) -> None:
    """Three of the four runs, the nearest first, and how many more there are."""
    (store.root / "studies" / "kernels-0123abcd").mkdir()
    error = refused(store, "0ab2000000000000")
    assert error.startswith(f"{store.root}: unknown study or run '0ab2000000000000'; did you mean")
    choices = error[error.index("choices: ") :]
    assert choices.startswith("choices: kernels, 0ab1000000000000, ")
    assert choices.endswith(", 1 more run)")
    assert "did you mean 'kernels'?" in refused(store, "kernel")
    with pytest.raises(InputError) as single:  # where a study would not do
        run_named(store, "0ab2000000000000")
    assert "unknown run '0ab2" in str(single.value)
    assert "kernels" not in str(single.value)
    assert "unknown study or run ''" in refused(store, "")
    (store.root / ("e" * 16)).mkdir()
    assert refused(store, "f").endswith(", 2 more runs)")
    (store.root / ("e" * 16)).rmdir()
    (store.root / IDS[3]).rmdir()  # three runs are named, and there are no more
    assert refused(store, "e").endswith(f"{IDS[0]})")


def test_a_store_without_anything(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert refused(store, "se") == f"'se': {tmp_path} holds no run and no study"
    with pytest.raises(InputError, match=f"^'se': {tmp_path} holds no run$"):
        run_named(store, "se")
    for folder in ("other-01234567", "other-89abcdef"):
        (tmp_path / "studies" / folder).mkdir(parents=True)
    (tmp_path / "studies" / "index.json").write_text("no study, but a file")
    assert "unknown study or run 'se' (choices: other)" in refused(store, "se")
    assert len(select_runs(store, []).studies) == 2


def test_a_study_is_named_with_its_digest_or_without_then_the_newest(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for study in ("se-f6a509d9", "se-iso-ced5fd01"):
        shutil.copytree(REPORTS / "se" / "studies" / study, tmp_path / "studies" / study)
    shutil.copytree(tmp_path / "studies" / "se-f6a509d9", tmp_path / "studies" / "se-ffffffff")
    for at, study in enumerate(("se-f6a509d9", "se-iso-ced5fd01", "se-ffffffff")):
        os.utime(tmp_path / "studies" / study, (at, at))
    ids = runs_of_study(tmp_path / "studies" / "se-iso-ced5fd01")
    for run in sorted(ids)[:8]:
        (tmp_path / run).mkdir()
    named = {
        name: select_runs(store, [name]) for name in ("se", "se-f6a509d9", "se-iso", "x/se.toml")
    }
    assert {name: selection.studies[0].name for name, selection in named.items()} == {
        "se": "se-ffffffff", "se-f6a509d9": "se-f6a509d9", "se-iso": "se-iso-ced5fd01",
        "x/se.toml": "se-ffffffff",
    }  # fmt: skip
    # Those of its runs that are here, and no others.
    assert [folder.name for folder in named["se-iso"].runs] == sorted(ids)[:8]
    assert len(ids) == 9  # reference, variant and its rescaled self, by three seeds


def test_the_runs_of_a_study_are_those_compared_and_those_of_trials(tmp_path: Path) -> None:
    folder = tmp_path / "se-f6a509d9"
    shutil.copytree(REPORTS / "se" / "studies" / folder.name, folder)
    compared = {record.parent.name for record in (REPORTS / "se").glob("*/record.json")}
    assert runs_of_study(folder) <= compared
    before = runs_of_study(folder)
    trial = RunStatus("trial 0", 0, "abcdef" + 58 * "0", epochs=1)
    StudyStatus("se", "SE", 1, 1, [trial]).save(folder)
    assert runs_of_study(folder) == before | {"abcdef0000000000"}
    (folder / "study.json").unlink()
    assert runs_of_study(folder) == {"abcdef0000000000"}


def test_a_study_whose_files_are_spoilt_or_gone_has_no_runs(tmp_path: Path) -> None:
    folder = tmp_path / "studies" / "mine-01234567"
    folder.mkdir(parents=True)
    assert runs_of_study(folder) == set()
    for name in ("study.json", "status.json", "scores.json"):
        (folder / name).write_text("[")
    assert runs_of_study(folder) == set()
    with pytest.raises(InputError) as error:
        Manifest.load(folder)
    assert str(error.value).startswith(f"{folder}/study.json: not a study's manifest: ")
    assert str(error.value).endswith("; 'fuseablate study run' writes it anew")
    with pytest.raises(InputError, match=rf"^{folder}/status\.json: not a study's status: "):
        StudyStatus.load(folder)
    with pytest.raises(InputError, match=rf"^{folder}/scores\.json: not a study's zero-cost scor"):
        ZeroCostScores.load(folder)
    (folder / "scores.json").unlink()
    assert ZeroCostScores.load(folder) is None


def test_a_manifest_of_old_has_the_levels_of_each_combination(tmp_path: Path) -> None:
    """It held those of the first name; a rescaled variant's name is that of no combination."""
    names = ["se=off,kernel=7", "kernel=5", "se=off,kernel=7 (iso macs)", "width=2", "odd"]
    variant = {
        "names": names, "edits": [], "levels": {"se": "off", "kernel": "7"}, "recipe": "",
        "params": 1, "macs": 2, "runs": {"0": "a", "3": "b"},
    }  # fmt: skip
    table = {"name": "n", "title": "t", "question": "q", "design": "factorial", "spec": "s"}
    text = json.dumps({**table, "variants": [{**variant, "runs": {"0": "c"}}, variant]})
    (tmp_path / "study.json").write_text(text)
    manifest = Manifest.load(tmp_path)
    assert manifest.variants[1].levels == (
        {"se": "off", "kernel": "7"}, {"se": "baseline", "kernel": "5"},
    )  # fmt: skip
    assert (manifest.planned_seeds.reference, manifest.planned_seeds.each) == ((0,), (0, 3))


def test_the_record_of_a_run_that_has_ended(store: Store) -> None:
    ended = plain_record("e" * 64)
    put(store, ended)
    assert record_named(store, "eeee") == ended
    assert record_named(store, "e" * 64) == ended
    with pytest.raises(InputError, match=rf"^run {store.root}/{IDS[3]}: has not ended$"):
        record_named(store, "cc")
    with pytest.raises(
        InputError,
        match=rf"^run {store.root}/e{{16}}: has the digest e{{64}}, which is not e{{16}}f$",
    ):
        record_named(store, "e" * 16 + "f")
