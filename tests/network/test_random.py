"""Dropout and stochastic depth from streams of their own."""

from __future__ import annotations

import torch

from fuseablate.network.modules import Dropout, DropPath
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


def test_a_dropped_path_is_that_of_a_whole_image() -> None:
    path = DropPath(0.2)
    path.generator = stream(0, "dropout")
    dropped = path(torch.ones(1000, 3, 2, 2)).flatten(1)
    assert torch.equal(dropped, dropped[:, :1].expand(-1, 12))
    kept = int((dropped[:, 0] == 1.25).sum())  # 1 / 0.8, which float32 holds exactly
    assert int((dropped[:, 0] == 0).sum()) == 1000 - kept
    assert 737 < kept < 863  # five standard deviations of 12.65 around 800
    assert path.eval()(dropped) is dropped
