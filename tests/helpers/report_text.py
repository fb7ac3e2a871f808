"""The text of a report, for tests of its words."""

from __future__ import annotations


def unbroken(tex: str) -> str:
    """The text without the places where a name may be broken."""
    return tex.replace(r"\allowbreak{}", "")
