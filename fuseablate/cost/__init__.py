"""What a network costs, from its layers alone: exact, without torch.

In comes a `Spec` and an input size (H, W); out come params, MACs and the rest of a `Cost`, for one
spec (`measure`) or for a hundred thousand variants of one (`Variants`), and the spec in the width
at which it costs what another one does (`rescaled`). Cycles on a systolic array, peak memory and
receptive fields come from the same layers.
"""

from __future__ import annotations

from fuseablate.cost.costs import BUDGETS, COSTS, SUMMARY, CostKind, measure, summary, within
from fuseablate.cost.iso import nearness, rescaled
from fuseablate.cost.memory import inference_memory, training_memory
from fuseablate.cost.receptive_field import RowReceptiveField, receptive_fields
from fuseablate.cost.systolic import cycles, load_hardware
from fuseablate.cost.variants import Variants

__all__ = [
    "BUDGETS",
    "COSTS",
    "SUMMARY",
    "CostKind",
    "RowReceptiveField",
    "Variants",
    "cycles",
    "inference_memory",
    "load_hardware",
    "measure",
    "nearness",
    "receptive_fields",
    "rescaled",
    "summary",
    "training_memory",
    "within",
]
