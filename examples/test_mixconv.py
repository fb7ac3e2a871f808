"""MixConv: its params and MACs by hand, its filters one by one, and fvcore's count."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from fuseablate import InputError, Spec, build, load_plugin, measure, verify

load_plugin(Path(__file__).with_name("mixconv.py"))
PLAIN = {"norm": "none", "nl": "identity"}
SPEC = Spec.from_dict(
    {
        "input": 16,
        "classes": 10,
        "rows": [
            {"op": "conv", "kernel": 1, "out": 12},
            {
                "op": "mixconv",
                "kernels": 3,
                "out": 8,
                "norm": "none",
                "nl": "identity",
                "stride": 2,
            },
            {"op": "pool"},
            {"op": "conv", "kernel": 1, "out": "classes", "form": "linear"},
        ],
    }
)


def test_its_cost_by_hand() -> None:
    # Four channels of each of 3x3, 5x5 and 7x7, on a map of 8x8, and 12 to 8.
    weights = 4 * (9 + 25 + 49) + 12 * 8
    row = SPEC.infer()[1]
    assert (row.cost.params, row.cost.macs) == (weights, 64 * weights)
    assert measure(SPEC).params == 3 * 12 + weights + 80


def test_each_size_filters_its_channels() -> None:
    row = build(SPEC).get_submodule("rows.2")
    x = torch.randn(2, 12, 16, 16)
    *kernels, project = row.parameters()
    parts = [
        F.conv2d(part, kernel, stride=2, padding=kernel.shape[2] // 2, groups=4)
        for part, kernel in zip(x.chunk(3, 1), kernels, strict=True)
    ]
    assert torch.allclose(row(x), F.conv2d(torch.cat(parts, 1), project), atol=1e-5)


def test_the_network_is_what_the_layers_say() -> None:
    for edits in ((), ("2.kernels=2",), ("2.kernels=2", "2.norm=batch", "2.depth=2")):
        assert verify(SPEC.edit(*edits)) == []


def test_channels_that_do_not_divide() -> None:
    with pytest.raises(InputError, match=r"12 channels do not divide .* use kernels=4"):
        SPEC.edit("2.kernels=5")
