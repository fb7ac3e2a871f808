"""EfficientNets against torchvision, and B0's per-parameter table of the source."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import torchvision
from torch import nn
from torchvision.ops import StochasticDepth

from fuseablate import InputError, build, load_spec, measure
from tests.helpers.references import check_costs, same_function, same_size

# The source prints B0's parameters down to the third block's SE, and then the classifier's.
PRINTED = """
features.0.0.weight 864
features.0.1.weight 32
features.0.1.bias 32
features.1.0.block.0.0.weight 288
features.1.0.block.0.1.weight 32
features.1.0.block.0.1.bias 32
features.1.0.block.1.fc1.weight 256
features.1.0.block.1.fc1.bias 8
features.1.0.block.1.fc2.weight 256
features.1.0.block.1.fc2.bias 32
features.1.0.block.2.0.weight 512
features.1.0.block.2.1.weight 16
features.1.0.block.2.1.bias 16
features.2.0.block.0.0.weight 1536
features.2.0.block.0.1.weight 96
features.2.0.block.0.1.bias 96
features.2.0.block.1.0.weight 864
features.2.0.block.1.1.weight 96
features.2.0.block.1.1.bias 96
features.2.0.block.2.fc1.weight 384
features.2.0.block.2.fc1.bias 4
features.2.0.block.2.fc2.weight 384
classifier.1.weight 1280000
classifier.1.bias 1000
"""
NAMES = [f"efficientnet_b{number}" for number in range(8)]


def reference(name: str) -> nn.Module:
    """Return torchvision's network of that name."""
    network: nn.Module = torchvision.models.get_model(name, weights=None)
    return network


def test_b0_is_the_same_function_as_torchvisions() -> None:
    same_function(load_spec("efficientnet_b0"), lambda: reference("efficientnet_b0"), (40, 33))


def test_a_scaled_one_is_the_same_function_with_the_same_gradients() -> None:
    name = "efficientnet_b2"
    same_function(load_spec(name), lambda: reference(name), (33, 33), gradients=True)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_size_as_torchvisions(name: str) -> None:
    same_size(load_spec(name), lambda: reference(name))


@pytest.mark.parametrize("name", NAMES)
def test_the_same_settings_as_torchvisions(name: str) -> None:
    spec = load_spec(name)
    with torch.device("meta"):
        network = reference(name)
    drop = [module.p for module in network.modules() if isinstance(module, StochasticDepth)]
    ours = [s.drop_path for s, row in zip(spec.settings(), spec.rows, strict=True) if row.repeats]
    assert ours == pytest.approx(drop)
    assert [spec.dropout] == [m.p for m in network.modules() if isinstance(m, nn.Dropout)]
    norms = {(m.eps, m.momentum) for m in network.modules() if isinstance(m, nn.BatchNorm2d)}
    assert norms == {(spec.norm_eps, spec.norm_momentum)}


def test_the_published_inputs() -> None:
    inputs = [load_spec(name).input[0] for name in NAMES]
    assert inputs == [224, 240, 260, 300, 380, 456, 528, 600]


def test_the_sources_table_of_b0() -> None:
    spec = load_spec("efficientnet_b0")
    assert measure(spec).params == 5_288_548
    ours = [parameter.numel() for parameter in build(spec).parameters()]
    printed = [int(line.split()[1]) for line in PRINTED.strip().splitlines()]
    assert ours[: len(printed) - 2] == printed[:-2]
    assert ours[-2:] == printed[-2:]
    assert sum(ours) == 5_288_548


def test_the_cifar_form() -> None:
    cifar = load_spec("efficientnet_b0:cifar")
    assert [t.in_shape[1:] for t in cifar.infer() if t.row.op == "pool"] == [(4, 4)]
    check_costs(cifar, (32, 32))
    assert load_spec("efficientnet_b1:cifar").input == (32, 32)
    check_costs(cifar.edit("mbconv.op=fuse", "mbconv.variant=half"), (32, 32))


def test_the_expansion_follows_the_input() -> None:
    spec = load_spec("efficientnet_b0")
    # Table 1: row 3 has 16 channels in and 24 out, its repeat 24 in: six times each.
    assert spec.infer()[2].layer.infer((16, 8, 8))[0] == (24, 4, 4)
    row, repeat = spec.infer()[2:4]
    assert row.cost.params - repeat.cost.params == (
        # expand, its norm and the depthwise norm, 3x3, SE, project: at 96 and 144 channels
        (96 * 16 + 4 * 96 + 96 * 9 + (96 * 4 * 2 + 96 + 4) + 96 * 24)
        - (144 * 24 + 4 * 144 + 144 * 9 + (144 * 6 * 2 + 144 + 6) + 144 * 24)
    )
    assert spec.edit("3.exp=4in").rows[2].values()["exp"] == "4in"
    assert spec.edit("3.exp=96").edit("3.exp=x0.5").rows[2].values()["exp"] == 48


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ("mbconv.exp=x0.5", "there is no number of exp to scale; write a value"),
        ("mbconv.exp=0in", "'0in' is not a whole number"),
        ("mbconv.exp=sixin", "'sixin' is not a whole number"),
    ],
)
def test_an_expansion_that_is_none(edit: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_spec("efficientnet_b0").edit(edit)


def test_phi_is_the_formula_and_not_the_published_coefficients() -> None:
    b0, b1, b2 = (load_spec(f"efficientnet_b{number}") for number in range(3))
    # alpha 1.2, beta 1.1, gamma 1.15 (section 5.1): 224 x 1.15 = 257.6, and B2's input is 260.
    scaled = b0.edit("scale.phi=1")
    assert scaled.input == (258, 258)
    assert dataclasses.replace(scaled, input=b2.input).rows == b2.rows
    half = b0.edit("scale.phi=0.5")
    assert half.input == b1.input  # 224 x 1.15 ** 0.5 = 240.2
    assert half.rows != b1.rows  # width x1.05, and B1's is x1.0
    assert any(why.field == "scale.phi" for why in b0.why)
