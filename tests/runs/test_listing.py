"""The list of studies by its index, and the runs of a study by their names."""

from __future__ import annotations

import json
import os
from pathlib import Path

from fuseablate.runs.lookup import select_runs
from fuseablate.runs.status import RunStatus, StudyStatus
from fuseablate.runs.store import Store
from fuseablate.runs.study_list import listed_studies


def study(store: Store, name: str, done: int, waiting: int) -> Path:
    """Write the status of a study; those that are done have not all gone well."""
    folder = store.root / "studies" / f"{name}-{0:08x}"
    folder.mkdir(parents=True, exist_ok=True)
    states = (["failed", "pruned", "done"] * done)[:done] + ["waiting"] * waiting
    lines = [RunStatus("v", seed, f"{seed:064x}", 1) for seed in range(done + waiting)]
    for line, state in zip(lines, states, strict=True):
        line.state = state  # type: ignore[assignment]  # one of its words
    StudyStatus(name, name.title(), 1, 1, lines).save(folder)
    return folder


def counts(store: Store, *folders: Path) -> list[tuple[str, int, int, bool]]:
    listed = listed_studies(store, folders)
    return [(study.title, study.done, study.runs, study.ended) for study in listed]


def test_the_index_follows_what_changes(tmp_path: Path) -> None:
    store = Store(tmp_path)
    folders = [study(store, "a", 2, 0), study(store, "b", 1, 3)]
    index = tmp_path / "studies" / "index.json"
    assert counts(store, *folders) == [("A", 2, 2, True), ("B", 1, 4, False)]
    assert index.exists()
    study(store, "b", 4, 0)
    assert counts(store, *folders) == [("A", 2, 2, True), ("B", 4, 4, True)]
    for spoilt in ("", "{", '{"studies": 3}', '{"studies": {"a-00000000": 1}}'):
        index.write_text(spoilt)
        assert counts(store, *folders) == [("A", 2, 2, True), ("B", 4, 4, True)]


def test_what_has_not_changed_is_not_read_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    folder = study(store, "a", 2, 0)
    before = counts(store, folder)
    file = folder / "status.json"
    stat = file.stat()
    file.write_bytes(b" " * stat.st_size)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert counts(store, folder) == before
    file.write_bytes(b" ")
    (spoilt,) = listed_studies(store, [folder])
    assert "status.json" in spoilt.problem


def test_the_runs_of_a_study_are_those_that_it_names(tmp_path: Path) -> None:
    store = Store(tmp_path)
    folder = study(store, "a", 2, 0)
    ids = [f"{seed:064x}"[:16] for seed in range(2)]
    for name in (ids[0], "f" * 16):
        (tmp_path / name).mkdir()
    status = json.loads((folder / "status.json").read_text())
    status["lines"][1]["digest"] = "../" * 8  # none of a run, whoever wrote it
    (folder / "status.json").write_text(json.dumps(status))
    assert select_runs(store, ["a"]).runs == (tmp_path / ids[0],)


def test_a_status_grows_by_the_runs_beyond_what_other_files_may_have(tmp_path: Path) -> None:
    store = Store(tmp_path)
    folder = study(store, "a", 2, 0)
    status = StudyStatus.load(folder)
    status.notes.append("." * 2**26)  # 64 MiB are the limit of other files
    status.save(folder)
    assert (folder / "status.json").stat().st_size > 2**26
    assert counts(store, folder) == [("A", 2, 2, True)]
