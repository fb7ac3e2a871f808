"""What optuna-dashboard finds in a study's storage: names, levels and parameters."""

from __future__ import annotations

from pathlib import Path

import optuna

from fuseablate.studies.execute import carry_out
from fuseablate.studies.plan import make_plan
from fuseablate.studies.study import load_study
from fuseablate.studies.trials import open_storage
from tests.helpers.instant_engine import InstantEngine, driver_of
from tests.helpers.searches import rising, search, study_plan
from tests.helpers.study_file import HEAD, factor, written


def stored_study(folder: Path, suffix: str = "") -> optuna.Study:
    return optuna.load_study(study_name=folder.name + suffix, storage=open_storage(None, folder))


def test_a_search_and_its_finalists(tmp_path: Path) -> None:
    words = 'sampler = "grid"\nobjectives = ["accuracy", "macs"]\nfinalists = { seeds = [9] }'
    ended = search(study_plan(tmp_path, words), tmp_path)
    searched = stored_study(ended.driver.folder)
    assert searched.metric_names == ["val top-1", "macs"]
    finalists = stored_study(ended.driver.folder, "-finalists")
    assert finalists.metric_names == ["val top-1"]
    by_name = {trial.user_attrs["variant"]: trial.params for trial in finalists.trials}
    of_trials = {f"trial {trial.number}": trial.params for trial in searched.trials}
    chosen = {name: params for name, params in by_name.items() if name != "baseline"}
    assert chosen
    assert chosen == {name: of_trials[name] for name in chosen}
    assert by_name["baseline"] == {"kernel.2": 3, "kernel.3": 5}  # those of its table


def test_the_factors_of_a_design(tmp_path: Path) -> None:
    body = 'design = "one-factor"\n' + factor("se", "off: all.se=false")
    plan = make_plan(load_study(written(tmp_path, body)), None)
    driver = driver_of(plan, tmp_path / "runs", InstantEngine(rising))
    for _ in range(2):  # the second time it is known already
        carry_out(driver, open_storage(None, driver.folder))
    study = stored_study(driver.folder)
    assert study.metric_names == ["val top-1"]
    assert study.user_attrs["factors"] == {"se": ["baseline", "off"]}
    assert [trial.user_attrs["factor.se"] for trial in study.trials] == ["baseline", "off"]
    assert [trial.params for trial in study.trials] == [{"se": "baseline"}, {"se": "off"}]


def test_a_study_without_validation_is_filed_by_the_test(tmp_path: Path) -> None:
    body = 'design = "one-factor"\n' + factor("se", "off: all.se=false")
    head = HEAD.replace("size = 16", "size = 16, val = 0")
    plan = make_plan(load_study(written(tmp_path, body, head=head)), None)
    driver = driver_of(plan, tmp_path / "runs", InstantEngine(rising))
    carry_out(driver, open_storage(None, driver.folder))
    study = stored_study(driver.folder)
    assert study.metric_names == ["test top-1"]
    assert "val top-1" not in study.trials[0].user_attrs
    assert len(study.trials[0].user_attrs["test top-1"]) == len(plan.seeds.each)
