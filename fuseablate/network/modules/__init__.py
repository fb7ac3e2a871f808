"""The torch modules of the layer algebra that torch itself does not have."""

from fuseablate.network.modules.fast import DepthwiseConv2d, FastShift, PointwiseConv2d
from fuseablate.network.modules.joins import AuxHead, Concat, Gate, Residual, Sequential, Split, Sum
from fuseablate.network.modules.plain import Scale, Shift, StandardisedConv2d, ZeroPadShortcut
from fuseablate.network.modules.random import Dropout, DropPath
from fuseablate.network.modules.stacked import (
    StackedBatchNorm2d,
    StackedConcat,
    StackedConv2d,
    StackedDropout,
    StackedDropPath,
    StackedGroupNorm,
    StackedLinear,
    StackedShift,
    StackedSplit,
    StackedZeroPadShortcut,
)

__all__ = [
    "AuxHead",
    "Concat",
    "DepthwiseConv2d",
    "DropPath",
    "Dropout",
    "FastShift",
    "Gate",
    "PointwiseConv2d",
    "Residual",
    "Scale",
    "Sequential",
    "Shift",
    "Split",
    "StackedBatchNorm2d",
    "StackedConcat",
    "StackedConv2d",
    "StackedDropPath",
    "StackedDropout",
    "StackedGroupNorm",
    "StackedLinear",
    "StackedShift",
    "StackedSplit",
    "StackedZeroPadShortcut",
    "StandardisedConv2d",
    "Sum",
    "ZeroPadShortcut",
]
