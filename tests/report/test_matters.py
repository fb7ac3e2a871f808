"""The smallest difference that matters, from a study file to what a report compares."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuseablate.commands.program import main
from fuseablate.errors import InputError
from fuseablate.report import of_study
from fuseablate.runs.manifest import Manifest
from fuseablate.studies.manifest import manifest_of
from fuseablate.studies.plan import make_plan
from tests.helpers.paths import REPORTS
from tests.helpers.study_file import factor, loaded

ONE = 'design = "one-factor"\n' + factor("se", "off: all.se=false")
SE = REPORTS / "se"


@pytest.mark.parametrize(("line", "points"), [("", 1.0), ("matters = 0.5\n", 0.5),
                                              ("matters = 2\n", 2.0)])  # fmt: skip
def test_it_goes_from_the_file_to_the_manifest_and_the_report(
    tmp_path: Path, line: str, points: float
) -> None:
    plan = make_plan(loaded(tmp_path, line + ONE), None)
    manifest_of(plan, plan.runs).save(tmp_path)
    kept = Manifest.load(tmp_path)
    assert kept.matters == points
    assert of_study(kept, lambda digest: None).matters == points


def test_a_manifest_of_before_says_one_point() -> None:
    (folder,) = SE.glob("studies/se-f6*")
    assert "matters" not in (folder / "study.json").read_text()
    assert Manifest.load(folder).matters == 1.0


@pytest.mark.parametrize("value", ["0", "-1", "101", "true", '"1"', "nan", "inf"])
def test_what_cannot_matter_is_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(InputError, match=r"matters = |numbers are read up to"):
        loaded(tmp_path, f"matters = {value}\n" + ONE)


@pytest.mark.parametrize("value", ["0", "-1", "101", "nan", "inf", "x", ""])
def test_and_so_it_is_by_the_flag(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["report", "--matters", value, "--runs", str(SE)])
    assert caught.value.code == 2
    assert f"'{value}' must be points of top-1, more than 0" in capsys.readouterr().err


def test_the_flag_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "se", "--matters", "0.25", "--runs", str(SE)]) == 0
    assert "all.se=false" in capsys.readouterr().out
