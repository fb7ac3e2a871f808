"""The torch modules of the layer algebra that torch itself does not have."""

from fuseablate.network.modules.fast import DepthwiseConv2d, FastShift, PointwiseConv2d
from fuseablate.network.modules.joins import Add, Concat, Gate, Sequential, Split, Sum, Tap
from fuseablate.network.modules.plain import Scale, Shift, StandardisedConv2d, Subsample
from fuseablate.network.modules.random import Dropout, DropPath

__all__ = [
    "Add",
    "Concat",
    "DepthwiseConv2d",
    "DropPath",
    "Dropout",
    "FastShift",
    "Gate",
    "PointwiseConv2d",
    "Scale",
    "Sequential",
    "Shift",
    "Split",
    "StandardisedConv2d",
    "Subsample",
    "Sum",
    "Tap",
]
