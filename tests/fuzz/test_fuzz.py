"""Every command over every kind of file: 0, 1 or 2, and at most one line of error.

The cases follow from their numbers. A number that fails is run alone by `-k 'case and -NUMBER-'`.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.helpers.fuzz import kinds, torch_kinds
from tests.helpers.fuzz.running import check

CASES, USUAL = 1000, 250
assert torch_kinds  # adds its kinds to the others


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(number, marks=[] if number < USUAL else pytest.mark.slow)
        for number in range(CASES)
    ],
)
def test_case(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = Random(number)
    weights = [weight for weight, _ in kinds.KINDS.values()]
    ((_, make),) = draw.choices(list(kinds.KINDS.values()), weights)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("FUSEABLATE_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    arguments = make(tmp_path, draw)
    print(make.__name__, [word[:200] for word in arguments])
    check(arguments, tmp_path / "state")
