"""Comparisons for pages."""

from __future__ import annotations

import dataclasses
from typing import Any

from fuseablate.report import Comparison
from fuseablate.spec.catalog import load_spec
from tests.helpers.comparisons import BASE, LEAN, comparison, planned

ODD = "<script>alert(1)</script> & \"x\" 'y' </title>"


def made(name: str, edits: str, cost: tuple[int, int], *tops: float, **more: object) -> Any:
    """A variant whose runs have the network that its edits make."""
    variant, runs = planned(name, edits, cost, *tops, **more)
    spec = load_spec("fusenet").edit(*edits.split()).to_dict()
    return variant, [dataclasses.replace(run, spec=spec) for run in runs]


THREE = comparison(
    "one-factor",
    made("baseline", "", BASE, 0.400, 0.410, 0.405, latency=1.2),
    made("se=off", "all.se=false", LEAN, 0.350, 0.362, 0.355, latency=0.9),
    made("kernel=3", "fuse.kernel=3", (3_270_000, 4_010_000), 0.402, 0.406, -1),
    made("iso", "all.se=false scale.width=x1.4", (2_500_000, 4_120_000), 0.392, 0.401, 0.395,
         iso_of="se=off"),
)  # fmt: skip


def many(count: int) -> Comparison:
    return comparison(
        "one-factor",
        made("baseline", "", BASE, 0.40, 0.41),
        *(
            made(f"kernel={size}", f"2.kernel={size}", LEAN, 0.30 + size / 100, 0.31 + size / 100)
            for size in range(5, 2 * count + 3, 2)
        ),
    )
