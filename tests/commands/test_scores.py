"""`fuseablate scores`: networks of a study scored once, and kept beside its manifest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fuseablate.commands.program import main
from fuseablate.runs.manifest import Manifest, PlannedVariant
from fuseablate.runs.record import Record
from fuseablate.runs.scores import ZeroCostScores
from fuseablate.runs.store import Store
from fuseablate.spec.spec import Spec
from fuseablate.training import SilentProgress, train
from tests.helpers.small_run import small_data, small_recipe, small_spec


def planned(name: str, record: Record) -> PlannedVariant:
    return PlannedVariant(
        names=(name,), edits=record.edits, levels=({},), recipe="", params=record.params,
        macs=record.macs, runs={record.seed: record.digest},
    )  # fmt: skip


def test_scores_of_a_study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, data, recipe = Store(tmp_path / "runs"), small_data(), small_recipe(epochs=1)

    def trained(spec: Spec) -> Record:
        return train(spec, recipe, data, seed=0, store=store, progress=SilentProgress())

    spec = small_spec()
    variants = {"baseline": trained(spec), "wide": trained(spec.edit("2.exp=32"))}
    folder = store.root / "studies" / "mine-0"
    folder.mkdir(parents=True)
    Manifest(
        name="mine", title="Mine", question="?", design="one-factor", spec="small",
        variants=tuple(planned(name, record) for name, record in variants.items()),
    ).save(folder)  # fmt: skip
    words = ["scores", "mine", "--runs", str(store.root), "--batch-size", "16", "--json"]
    assert main(words) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed.keys() == variants.keys()
    assert all(of.keys() == {"synflow", "naswot", "zico"} for of in printed.values())
    assert all(printed["wide"][name] != value for name, value in printed["baseline"].items())
    scores = ZeroCostScores.load(folder)
    assert scores
    assert (scores.images, scores.batches, scores.seed) == (16, 2, 0)
    assert scores.values[spec.digest((16, 16))] == printed["baseline"]
    assert main(words) == 0  # the same numbers again
    assert json.loads(capsys.readouterr().out) == printed
    assert main([*words, "--batches", "1000"]) == 2
    assert "--batches 1000: the training images make 13" in capsys.readouterr().err
    run = variants["wide"].digest[:12]
    assert main(["scores", run, "--runs", str(store.root)]) == 2
    said = f"'{run}' is a run; scores are those of a study's variants\n"
    assert said in capsys.readouterr().err
