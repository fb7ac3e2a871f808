"""Specs and runs as people read them. Without torch.

In comes a `Spec` or a `StoredRun`; out come its table, parameters or picture.
"""

from __future__ import annotations

from fuseablate.show.lines import COLUMN_FIELDS, TableLine, folded, unfolded
from fuseablate.show.parameters import parameters_of, print_parameters, print_statistics
from fuseablate.show.picture import to_svg
from fuseablate.show.receptive_field import print_receptive_fields
from fuseablate.show.roofline import draw_roofline, print_profile
from fuseablate.show.table import print_table

__all__ = [
    "COLUMN_FIELDS",
    "TableLine",
    "draw_roofline",
    "folded",
    "parameters_of",
    "print_parameters",
    "print_profile",
    "print_receptive_fields",
    "print_statistics",
    "print_table",
    "to_svg",
    "unfolded",
]
