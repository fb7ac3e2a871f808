"""Random streams: one for each purpose, drawn on the CPU whatever the device.

Two runs with the same seed are a pair only if the data order, the augmentation, the initial
weights and the dropout masks of one do not shift when the other network draws more or fewer
numbers. So each purpose has a generator of its own, named by the seed and the purpose.
"""

from __future__ import annotations

import hashlib

import torch


def stream(seed: int, purpose: str) -> torch.Generator:
    """Return a CPU generator that depends on `seed` and `purpose` alone."""
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
