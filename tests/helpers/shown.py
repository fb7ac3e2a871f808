"""What `show` prints."""

from __future__ import annotations

import pytest

from fuseablate.commands.program import main


def printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int, *words: str
) -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    for name in ("FORCE_COLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return str(out)
