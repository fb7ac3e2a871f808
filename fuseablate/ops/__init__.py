"""The ops: each family of rows in a file of its own, and the one table of their names.

In come the fields of a row; out comes the tree of layers that they mean. Without torch.
"""

from __future__ import annotations

from fuseablate.errors import InputError
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
from fuseablate.ops.regnet import GENERATORS
from fuseablate.ops.residual import Basic, Bottleneck, Preact
from fuseablate.ops.row import Row, Settings
from fuseablate.ops.shuffle import ShuffleUnit
from fuseablate.plugins import Registry

_SHIPPED: dict[str, type[Row]] = {
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


# What stands where an op may, in selectors and in tables, and means something else.
_TAKEN = ("all", "scale", *GENERATORS)


def _check(name: str, part: type[Row]) -> None:
    if name in _TAKEN:
        raise InputError("means something else in edits or tables; give yours another name")
    if not (isinstance(part, type) and issubclass(part, Row)):
        raise InputError("must be a class of rows, a fuseablate.ops.Row")
    if getattr(part, "op", None) != name or not getattr(part, "title", ""):
        raise InputError(f'its class needs op = "{name}" and a title')


OPS = Registry("ops", _SHIPPED, _check)

__all__ = ["OPS", "Row", "Settings"]
