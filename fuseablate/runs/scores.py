"""The zero-cost scores of a study's variants, beside its manifest. Without torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from fuseablate.io.atomic import write_atomically
from fuseablate.io.checked import read_as

FILE = "scores.json"


@dataclass(frozen=True, kw_only=True)
class ZeroCostScores:
    """What was scored, and how."""

    images: int
    """Of a batch."""
    batches: int
    seed: int
    """Of the weights, and of the batches."""
    values: Mapping[str, Mapping[str, float]]
    """The scores by name, of each network by the digest of its tree of layers."""

    def save(self, folder: Path) -> None:
        """Write it, whole or not at all."""
        write_atomically(folder / FILE, json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> ZeroCostScores | None:
        """Return the scores of the study in `folder`; None where there are none."""
        if not (folder / FILE).exists():
            return None
        return read_as(cls, folder / FILE, "a study's zero-cost scores")
