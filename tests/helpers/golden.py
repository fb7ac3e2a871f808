"""Texts that were read by a person once, and are compared with from then on.

`pytest --update-golden` writes them anew; read the difference before you commit it.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.helpers.paths import REPOSITORY

FOLDER = REPOSITORY / "tests" / "golden"

Golden = Callable[[str, str], None]  # asserts that the file of that name holds the text


def check_golden(name: str, text: str, *, update: bool) -> None:
    path = FOLDER / name
    if update:
        path.write_text(text, encoding="utf-8")
    assert path.is_file(), f"no golden file {name}; pytest --update-golden writes it"
    assert text == path.read_text(encoding="utf-8")
