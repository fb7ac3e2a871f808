"""`fuseablate scores`: networks of a study scored once, and kept beside its manifest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scipy.stats import spearmanr

from fuseablate.commands.program import main
from fuseablate.runs.manifest import Manifest, PlannedVariant, Searched, Trial
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


def test_the_trials_of_a_search_are_scored_and_ranked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By scipy, of the validation accuracies that the records hold."""
    store, data, recipe = Store(tmp_path / "runs"), small_data(), small_recipe(epochs=1)
    spec, words = small_spec(), ["--runs", str(store.root)]
    specs = [spec, *(spec.edit(f"2.exp={exp}") for exp in (8, 24, 32, 40, 48))]
    runs = [train(s, recipe, data, seed=0, store=store, progress=SilentProgress()) for s in specs]

    def trial(number: int, state: str = "complete") -> Trial:
        run = runs[number]
        return Trial(
            number=number, state=state, seeds=1, top1=None, params=run.params, macs=run.macs,
            latency=None, edits="", finalist=False, runs={0: run.digest},
        )  # fmt: skip

    trials = (*(trial(number) for number in range(5)), trial(5, "pruned"))
    folder = store.root / "studies" / "mine-0"
    folder.mkdir(parents=True)
    Manifest(
        name="mine", title="Mine", question="?", design="search", spec="small",
        variants=(planned("baseline", runs[0]),),
        search=Searched(sampler="tpe", objectives=("accuracy",), seeds=1, trials=trials, refused={},
                        importance={}),
    ).save(folder)  # fmt: skip
    assert main(["report", "mine", *words, "--json"]) == 0
    (before,) = json.loads(capsys.readouterr().out)
    assert before["search"]["rank_correlations"] == {}  # without scores none is asked for
    assert main(["scores", "mine", *words, "--batch-size", "16", "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert list(scores) == ["baseline", *(f"trial {number}" for number in range(5))]
    assert main(["report", "mine", *words, "--json"]) == 0
    (after,) = json.loads(capsys.readouterr().out)
    reached = [run.val.top1 for run in runs[:5] if run.val]
    said = after["search"]["rank_correlations"]
    for name in ("synflow", "naswot", "zico"):
        expected = spearmanr([scores[f"trial {n}"][name] for n in range(5)], reached).statistic
        assert said[name]["value"] == pytest.approx(expected)
    params = spearmanr([run.params for run in runs[:5]], reached).statistic
    assert said["params"]["value"] == pytest.approx(params)
    assert main(["report", "mine", *words]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "Rank correlation (Spearman's, 95 % interval) with val top-1 over 5 trials: par" in text
    assert "untrained networks, seed 0, 2 batches of 16 images" in text
