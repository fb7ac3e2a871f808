"""A network of many kinds of layers, that takes a moment."""

from __future__ import annotations

from typing import Any

from fuseablate.spec.spec import Spec
from tests.helpers.noise import CLASSES

MIXED_SIZE = (12, 12)


def net(*rows: dict[str, Any], **keys: object) -> Spec:
    """Return a table of a first convolution, the rows, pooling and a classifier with dropout."""
    first = {"op": "conv", "kernel": 3, "norm": "batch", "out": 16, "nl": "hswish", "stride": 1}
    last = {"op": "conv", "kernel": 1, "out": "classes", "form": "conv", "dropout": True}
    table = [first, *rows, {"op": "pool"}, last]
    numbered = [{"id": str(number), **row} for number, row in enumerate(table, 1)]
    return Spec.from_dict(
        {"name": "net", "input": [*MIXED_SIZE], "classes": CLASSES, "dropout": 0.3}
        | {"rows": numbered}
        | keys
    )


MIXED = [
    {"op": "fuse", "kernel": 3, "exp": 24, "out": 16, "se": True, "nl": "relu", "residual": True},
    {"op": "fuse", "kernel": 5, "exp": 24, "out": 24, "se": False, "nl": "hswish", "stride": 2,
     "variant": "half"},
    {"op": "shift", "kernel": 3, "exp": 30, "out": 24, "se": False, "nl": "relu", "residual": True},
    {"op": "aux", "weight": 0.3, "out": 8},
    {"op": "basic", "out": 32, "stride": 2},
    {"op": "mbconv", "kernel": 3, "exp": 40, "out": 32, "se": True, "nl": "swish"},
]  # fmt: skip
