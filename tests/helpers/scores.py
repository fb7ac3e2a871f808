"""Scores by seed, for statistics."""

from __future__ import annotations


def by_seed(*values: float) -> dict[int, float]:
    return dict(enumerate(values))
