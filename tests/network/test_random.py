"""Dropout from a stream of its own."""

from __future__ import annotations

import torch

from fuseablate.network.modules import Dropout
from fuseablate.streams import stream


def test_the_scale_of_dropout_is_not_rounded_to_bf16() -> None:
    """What is kept is rounded once: 7 / 0.9 = 7.7778 to 7.78125, 249 of bf16's 32nds there.

    With the factor itself in bf16, 1.109375, it would be 7.765625, 248.5 of them, and so 7.75.
    """
    dropout = Dropout(0.1)
    dropout.generator = stream(0, "dropout")
    dropped = dropout(torch.full((2000,), 7.0, dtype=torch.bfloat16))
    assert dropped.dtype == torch.bfloat16
    assert set(dropped.tolist()) == {0.0, 7.78125}
