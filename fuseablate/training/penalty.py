"""What keeps the rows of linear 1x1 convolutions orthonormal, as BSConv-S asks.

Haase and Amthor, "Rethinking Depthwise Separable Convolutions", CVPR 2020, section 3.3, and their
published code: for MobileNetV2 and V3, whose blocks are BSConv-S but for where they are cut, the
penalty is all that BSConv-S changes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def penalty(weights: Sequence[Tensor]) -> Tensor:
    """Return the sum of the Frobenius norms of W W^T - 1 over weights (C', C, 1, 1)."""
    norms = []
    for weight in weights:
        rows = weight.flatten(1)
        identity = torch.eye(len(rows), dtype=rows.dtype, device=rows.device)
        norms.append(torch.linalg.matrix_norm(rows @ rows.T - identity))
    return torch.stack(norms).sum()
