"""The report on FuSeConv's speed-ups: made anew, it is what is committed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[2] / "reports" / "fuseconv"
TEXTS = sorted(path.name for path in FOLDER.iterdir() if path.suffix in (".csv", ".md"))


@pytest.fixture(name="script")
def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuseconv", FOLDER / "fuseconv.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_made_anew_are_those_that_are_committed(
    script: ModuleType, tmp_path: Path
) -> None:
    script.write(tmp_path, pictures=False)
    assert {path.name for path in tmp_path.iterdir()} == set(TEXTS)
    for name in TEXTS:
        assert (tmp_path / name).read_text("utf-8") == (FOLDER / name).read_text("utf-8"), name


@pytest.mark.slow
def test_the_pictures_are_drawn(script: ModuleType, tmp_path: Path) -> None:
    script.write(tmp_path)
    for name in ("grid", "fusenet"):
        assert (tmp_path / f"{name}.svg").read_text("utf-8").count("<text") > 20
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
