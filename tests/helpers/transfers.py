"""Runs taken from one store to another by the command, and what a tar is made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuseablate.commands.program import main
from tests.helpers.records import DIGEST

Capture = pytest.CaptureFixture[str]

ID = DIGEST[:16]


def files(root: Path) -> dict[str, bytes]:
    paths = (path for path in root.rglob("*") if path.is_file() and path.name != "lock")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def moved(capsys: Capture, *words: object, code: int = 0) -> str:
    """What `fuseablate runs` prints, on one of the two streams."""
    assert main(["runs", *map(str, words)]) == code
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    if code == 2:
        assert out == ""
        assert err.count("\n") == 1
    return str(err if code == 2 else out)
