"""The committed reports are what their own script writes from the committed records."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.paths import REPORTS

DRAWN = {".png", ".pdf"}  # their bytes change with the library that draws them


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
    assert len(written) >= 10 * 7
    for path in written:
        path.unlink()
    here = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run(["bash", anew / "regenerate"], env=here, check=True)
    for path in sorted(REPORTS.rglob("*")):
        if path.is_file() and path.suffix not in DRAWN and "__pycache__" not in path.parts:
            name = path.relative_to(REPORTS)
            assert (anew / name).read_bytes() == path.read_bytes(), name
