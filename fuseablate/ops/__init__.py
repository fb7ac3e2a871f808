"""The ops: each family of rows in a file of its own, and the one table of their names."""

from __future__ import annotations

from collections.abc import Mapping

from fuseablate.ops.bottleneck import Bottleneck, Fuse, MBConv
from fuseablate.ops.conv import ConvRow
from fuseablate.ops.pool import PoolRow
from fuseablate.ops.row import Row, Settings

OPS: Mapping[str, type[Row]] = {
    "conv": ConvRow,
    "fuse": Fuse,
    "mbconv": MBConv,
    "pool": PoolRow,
}

__all__ = ["OPS", "Bottleneck", "Row", "Settings"]
