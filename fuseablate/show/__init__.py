"""Specs and runs as people read them. Without torch.

In comes a `Spec` or a run, what one costs, or how two specs differ; out come its table, parameters
or picture.
"""

from __future__ import annotations

from fuseablate.show.difference import Sides, print_difference
from fuseablate.show.lines import TableLine, folded, unfolded
from fuseablate.show.parameters import parameters_of, print_parameters, print_statistics
from fuseablate.show.picture import to_svg
from fuseablate.show.receptive_field import print_receptive_fields
from fuseablate.show.roofline import draw_roofline, print_profile
from fuseablate.show.runs import print_record
from fuseablate.show.table import print_cost, print_spec, print_table

__all__ = [
    "Sides",
    "TableLine",
    "draw_roofline",
    "folded",
    "parameters_of",
    "print_cost",
    "print_difference",
    "print_parameters",
    "print_profile",
    "print_receptive_fields",
    "print_record",
    "print_spec",
    "print_statistics",
    "print_table",
    "to_svg",
    "unfolded",
]
