"""What a network costs, from its layers alone: exact, without torch.

In comes a `Spec` and an input size (H, W); out come params, MACs and the rest of a `Cost`, for one
spec (`measure`) or for a hundred thousand variants of one (`Variants`), and the spec in the width
at which it costs what another one does (`rescaled`).
"""

from __future__ import annotations

from fuseablate.cost.costs import BUDGETS, COSTS, SUMMARY, CostKind, measure, summary, within
from fuseablate.cost.iso import nearness, rescaled
from fuseablate.cost.variants import Counted, Variants

__all__ = [
    "BUDGETS",
    "COSTS",
    "SUMMARY",
    "CostKind",
    "Counted",
    "Variants",
    "measure",
    "nearness",
    "rescaled",
    "summary",
    "within",
]
