"""Studies that predict another one's order: which of the networks they can speak of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from fuseablate.commands.program import main
from fuseablate.engines.base import Job
from fuseablate.spec import Spec
from fuseablate.studies.execute import carry_out
from fuseablate.studies.plan import make_plan
from fuseablate.studies.study import Study
from fuseablate.studies.trials import open_storage
from tests.helpers.instant_engine import InstantEngine, driver_of
from tests.helpers.study_file import HEAD, factor, loaded

WIDTHS = (4, 24, 32, 40, 48)
NETWORKS = factor("exp", *(f"{width}: 2.exp={width}" for width in WIDTHS))
RATES = '{{ name = "{rate}", recipe = {{ lr = {rate} }} }}'


def by_width(job: Job) -> Sequence[float]:
    width = Spec.from_dict(job.spec).rows[1].values()["exp"]
    return [width / 100 + job.recipe["lr"] / 1000] * job.recipe["epochs"]


def run(study: Study, runs: Path) -> None:
    driver = driver_of(make_plan(study, None), runs, InstantEngine(lambda *_: [], by_job=by_width))
    carry_out(driver, open_storage(None, driver.folder))


def test_a_network_of_several_recipes_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The baseline's network stands in three rows, the others in one each.

    In these records a test score is one minus the validation's.
    """
    levels = ", ".join(RATES.format(rate=rate) for rate in (0.1, 0.2))
    body = f'design = "one-factor"\n{NETWORKS}[[factors]]\nname = "lr"\nlevels = [{levels}]\n'
    study = loaded(tmp_path, body, HEAD)
    runs = tmp_path / "runs"
    for one in (study.with_epochs(2), study.with_epochs(1)):
        run(one, runs)
    words = ["report", "mine-2ep", "--runs", str(runs), "--predicted-by", "mine-1ep"]
    assert main([*words, "--json"]) == 0
    (table,) = json.loads(capsys.readouterr().out)
    assert len(table["variants"]) == 1 + 5 + 2
    said = table["rank_correlations"]
    assert said["mine-1ep (1 epoch), 5 of them"]["value"] == -1
    # Each of five that are the same network with another rate has nothing that predicts it.
    levels = ", ".join(RATES.format(rate=rate) for rate in (0.1, 0.2, 0.3, 0.4))
    body = f'design = "one-factor"\n[[factors]]\nname = "lr"\nlevels = [{levels}]\n'
    study = loaded(tmp_path, body, HEAD)
    runs = tmp_path / "others"
    for one in (study.with_epochs(2), study.with_epochs(1)):
        run(one, runs)
    words = ["report", "mine-2ep", "--runs", str(runs), "--predicted-by", "mine-1ep"]
    assert main(words) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "mine-1ep (1 epoch) holds 0 of the networks here, too few" in text
