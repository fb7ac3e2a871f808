"""The committed reports are what their own script writes from the committed records."""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.paths import REPORTS

DRAWN = {".png", ".pdf"}  # their bytes change with the library that draws them
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[-+]?\d+)?")


def same(text: str, other: str) -> bool:
    """Whether two texts are equal but for roundings: CPUs differ in a number's last digits."""
    numbers = zip(NUMBER.findall(text), NUMBER.findall(other), strict=False)
    return NUMBER.split(text) == NUMBER.split(other) and all(
        a == b or math.isclose(float(a), float(b), rel_tol=1e-6, abs_tol=1e-12) for a, b in numbers
    )


def test_a_report_is_the_same_but_for_roundings() -> None:
    assert same("<b>-4.7877106977976345</b> 3e-08", "<b>-4.787710697797635</b> 3.0000000001e-08")
    assert not same("6.6 points", "6.7 points")
    assert not same("6.6 points", "6.6 point")
    assert not same("-6.6", "6.6")
    assert not same("1 of 3", "1 of 3 2")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_reports_are_made_anew_from_their_records(tmp_path: Path) -> None:
    anew = tmp_path / "reports"
    shutil.copytree(REPORTS, anew)
    written = [
        path
        for line in (REPORTS / "regenerate").read_text(encoding="utf-8").splitlines()
        if line.startswith("write ")
        for path in anew.glob("{}/{}.*".format(*line.split()[1:3]))
    ]
    assert len(written) >= 13 * 7
    for path in written:
        path.unlink()
    here = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run(["bash", anew / "regenerate"], env=here, check=True)
    for path in sorted(REPORTS.rglob("*")):
        if path.is_file() and path.suffix not in DRAWN and "__pycache__" not in path.parts:
            name = path.relative_to(REPORTS)
            texts = (anew / name).read_text(encoding="utf-8"), path.read_text(encoding="utf-8")
            assert same(*texts), name
