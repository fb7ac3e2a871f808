"""BiT's ResNetV2 against timm."""

from __future__ import annotations

from functools import partial

import pytest
import timm
import torch

from fuseablate import build, load_spec
from fuseablate.network.pretrained import Published
from tests.helpers.references import check_costs, same_function, same_size

NAMES = ["50x1", "50x3", "101x1", "101x3", "152x2", "152x4"]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_size_as_timms(name: str) -> None:
    def make() -> torch.nn.Module:
        return timm.create_model(f"resnetv2_{name}_bit", pretrained=False, num_classes=1000)

    same_size(load_spec(f"bit_r{name}"), make)


def test_the_same_function_as_timms() -> None:
    make = partial(timm.create_model, "resnetv2_50x1_bit", pretrained=False, num_classes=7)
    spec = load_spec("bit_r50x1").with_classes(7)
    last = Published.read("timm:resnetv2_50x1_bit").last
    same_function(spec, make, (40, 33), last, gradients=True)


def test_the_cifar_form_is_proved() -> None:
    check_costs(load_spec("bit_r50x1:cifar"), (32, 32))


def test_zeros_before_the_pool_are_seen() -> None:
    spec = load_spec("bit_r50x1").edit("3-6.depth=1")
    check_costs(spec, (32, 32))
    pool = build(spec).get_submodule("rows.2")
    # a map below zero: its corner's window has zeros, its middle's has none
    y = pool(-torch.ones(1, 1, 5, 5))
    assert y[0, 0].tolist() == [[0, 0, 0], [0, -1, 0], [0, 0, 0]]
    unseen = build(spec.edit("2.pad=0", "2.padding=1")).get_submodule("rows.2")
    assert unseen(-torch.ones(1, 1, 5, 5)).max() == -1


def test_group_norms_divide_any_width() -> None:
    spec = load_spec("bit_r50x1").edit("preact.depth=1", "scale.width=x0.3", "divisor=4")
    check_costs(spec, (32, 32))
    groups = {m.num_groups for m in build(spec).modules() if isinstance(m, torch.nn.GroupNorm)}
    assert groups < {1, 2, 4, 8, 16, 32}
