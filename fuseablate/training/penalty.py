"""What keeps the rows of linear 1x1 convolutions orthonormal, as BSConv-S asks.

Haase and Amthor, "Rethinking Depthwise Separable Convolutions", CVPR 2020, section 3.3, and their
published code: for MobileNetV2 and V3, whose blocks are BSConv-S but for where they are cut, the
penalty is all that BSConv-S changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from fuseablate.layers import Act, Children, Conv, Layer

# What ops call the linear 1x1 convolution that a BSConv-S block begins with, or that a block's
# branch ends in. A digest holds these names, and so a run's digest says what it penalises.
SUBSPACE = ("subspace", "project")


def subspaces(layer: Layer, above: str = "") -> Iterator[str]:
    """Yield the names of the weights, (C', C, 1, 1) with C' <= C each, that the penalty is of."""
    children: Children = getattr(layer, "children", ())
    for name, child in children:
        path = f"{above}{name}"
        if name in SUBSPACE:
            inner: Children = getattr(child, "children", (("", child),))
            for part, conv in inner[:1]:
                linear = not any(isinstance(other, Act) for _, other in inner)
                if (
                    linear
                    and isinstance(conv, Conv)
                    and conv.kernel == (1, 1)
                    and (conv.groups == 1 and conv.cout <= conv.cin)
                ):
                    yield ".".join(filter(None, (path, part, "weight")))
        else:
            yield from subspaces(child, f"{path}.")


def penalty(weights: Sequence[Tensor]) -> Tensor:
    """Return the sum of the Frobenius norms of W W^T - 1 over weights (C', C, 1, 1)."""
    norms = []
    for weight in weights:
        rows = weight.flatten(1)
        identity = torch.eye(len(rows), dtype=rows.dtype, device=rows.device)
        norms.append(torch.linalg.matrix_norm(rows @ rows.T - identity))
    return torch.stack(norms).sum()
