"""What a network costs, from its layers alone: exact, without torch.

In comes a `Spec` and an input size (H, W); out come params, MACs and the rest of a `Cost`, for one
spec (`measure`) or for a hundred thousand variants of one (`Variants`), and the spec in the width
at which it costs what another one does (`rescaled`). `COSTS` is the table of all costs, those on
hardware too: cycles on a systolic array, peak memory, bytes moved, a roofline's time, energy.
"""

from __future__ import annotations

from fuseablate.cost.costs import (
    BUDGETS,
    COSTS,
    SUMMARY,
    computed,
    cost_kind,
    cost_kinds,
    limited,
    measure,
    read_costs,
    read_names,
    spec_costs,
    summary,
    within,
)
from fuseablate.cost.iso import check_width_is_free, edited_at_cost, nearness, rescaled
from fuseablate.cost.kinds import CostKind
from fuseablate.cost.memory import inference_memory, largest_batch, training_memory
from fuseablate.cost.receptive_field import RowReceptiveField, receptive_fields
from fuseablate.cost.roofline import Processor, Profile, TimedRow
from fuseablate.cost.variants import Variants

__all__ = [
    "BUDGETS",
    "COSTS",
    "SUMMARY",
    "CostKind",
    "Processor",
    "Profile",
    "RowReceptiveField",
    "TimedRow",
    "Variants",
    "check_width_is_free",
    "computed",
    "cost_kind",
    "cost_kinds",
    "edited_at_cost",
    "inference_memory",
    "largest_batch",
    "limited",
    "measure",
    "nearness",
    "read_costs",
    "read_names",
    "receptive_fields",
    "rescaled",
    "spec_costs",
    "summary",
    "training_memory",
    "within",
]
