"""The ops: each family of rows in a file of its own, and the one table of their names.

In come the fields of a row; out comes the tree of layers that they mean. Without torch.
"""

from __future__ import annotations

from collections.abc import Mapping

from fuseablate.ops.auxiliary import Aux
from fuseablate.ops.blueprint import Blueprint
from fuseablate.ops.conv import ConvRow
from fuseablate.ops.convnext import ConvNeXt
from fuseablate.ops.coordinate import CoordinateAttention
from fuseablate.ops.dense import Dense, Transition
from fuseablate.ops.eca import ECA
from fuseablate.ops.fire import Fire
from fuseablate.ops.ghost import Ghost
from fuseablate.ops.inception import Inception, InceptionRes, Reduction
from fuseablate.ops.inverted import Fuse, MBConv, ShiftRow
from fuseablate.ops.mlpconv import MlpConv
from fuseablate.ops.norm import NormRow
from fuseablate.ops.pool import AvgPool, MaxPool, PoolRow
from fuseablate.ops.residual import Basic, Bottleneck, Preact
from fuseablate.ops.row import Row, Settings
from fuseablate.ops.shuffle import ShuffleUnit

OPS: Mapping[str, type[Row]] = {
    "conv": ConvRow,
    "fuse": Fuse,
    "mbconv": MBConv,
    "shift": ShiftRow,
    "basic": Basic,
    "bottle": Bottleneck,
    "preact": Preact,
    "pool": PoolRow,
    "maxpool": MaxPool,
    "avgpool": AvgPool,
    "inception": Inception,
    "reduction": Reduction,
    "inception_res": InceptionRes,
    "aux": Aux,
    "fire": Fire,
    "mlpconv": MlpConv,
    "dense": Dense,
    "transition": Transition,
    "norm": NormRow,
    "ghost": Ghost,
    "bsconv": Blueprint,
    "shuffle": ShuffleUnit,
    "convnext": ConvNeXt,
    "eca": ECA,
    "coordinate": CoordinateAttention,
}

__all__ = ["OPS", "Row", "Settings"]
