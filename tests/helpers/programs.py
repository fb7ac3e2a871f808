"""Programs that some tests start and a machine may lack; the fixture `needs` asks for them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

# Where a program has other names, or lies off the PATH.
NAMES = {
    "chromium": ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
}
POSTGRESQL = Path("/usr/lib/postgresql")  # Debian's

Needs = Callable[[str], str]  # returns where a program is, or ends the test


def find_program(name: str) -> str | None:
    on_path = next(filter(None, map(shutil.which, NAMES.get(name, (name,)))), None)
    in_versions = sorted(POSTGRESQL.glob(f"*/bin/{name}"))
    return on_path or (str(in_versions[-1]) if in_versions else None)


def needed_program(name: str, *, required: bool) -> str:
    path = find_program(name)
    if path is None:
        (pytest.fail if required else pytest.skip)(f"{name} is not installed")
    return path
