"""DenseNets against torchvision, the paper's counts and the source's summary."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torchvision

from fuseablate import InputError, build, load_spec, measure
from tests.helpers.references import check_costs, same_function, same_size

IMAGENET = ["densenet121", "densenet161", "densenet169", "densenet201"]


def params(growth: int, layers: int, classes: int, final_norm: bool = True) -> int:
    """Return the params of DenseNet-BC on CIFAR, by hand."""
    channels = 2 * growth
    total = 27 * channels
    for block in range(3):
        for _ in range(layers):
            inner = 4 * growth
            total += 2 * channels + channels * inner + 2 * inner + 9 * inner * growth
            channels += growth
        if block < 2:
            total += 2 * channels + channels * (channels // 2)
            channels //= 2
    return total + (2 * channels if final_norm else 0) + (channels + 1) * classes


@pytest.mark.parametrize("name", IMAGENET)
def test_the_same_size_as_torchvisions(name: str) -> None:
    same_size(load_spec(name), lambda: torchvision.models.get_model(name))


def test_the_same_function_as_torchvisions() -> None:
    # 29 is the least side that the last average pool leaves a pixel of: 15, 8, 4, 2, 1
    make = partial(torchvision.models.densenet121, num_classes=7)
    same_function(load_spec("densenet121").with_classes(7), make, (32, 29), gradients=True)


@pytest.mark.parametrize("name", ["densenet121:cifar", "densenet_bc_100_12", "densenet_tutorial"])
def test_small_forms_are_proved(name: str) -> None:
    check_costs(load_spec(name), (32, 32))


@pytest.mark.parametrize(
    ("name", "growth", "layers", "published"),
    [
        ("densenet_bc_100_12", 12, 16, 0.8),
        ("densenet_bc_250_24", 24, 41, 15.3),
        ("densenet_bc_190_40", 40, 31, 25.6),
    ],
)
def test_the_papers_cifar_networks(name: str, growth: int, layers: int, published: float) -> None:
    counted = measure(load_spec(name)).params
    assert counted == params(growth, layers, 10)
    assert round(counted / 1e6, 1) == published
    # L counts the stem, two convolutions a layer, two transitions and the classifier.
    assert int(name.split("_")[2]) == 6 * layers + 4


def test_the_papers_plain_densenet() -> None:
    plain = load_spec("densenet_bc_100_12").edit(
        "1.out=16", "dense.depth=12", "dense.bottleneck=0", "transition.compression=1"
    )
    total, channels = 27 * 16, 16
    for block in range(3):
        for _ in range(12):
            total, channels = total + 2 * channels + 9 * channels * 12, channels + 12
        total += 2 * channels + (channels * channels if block < 2 else 0)
    counted = measure(plain).params
    assert counted == total + (channels + 1) * 10
    assert round(counted / 1e6, 1) == 1.0  # the paper's table 2, L = 40, k = 12
    check_costs(plain, (8, 8))


def test_the_sources_own_is_its_summary() -> None:
    spec = load_spec("densenet_tutorial")
    assert measure(spec).params == 768_502
    assert params(12, 16, 10, final_norm=False) + 24 == 768_502  # the stem's biases
    network = build(spec)
    counts = [
        sum(parameter.numel() for parameter in module.parameters())
        for module in network.modules()
        if isinstance(module, torch.nn.Conv2d | torch.nn.BatchNorm2d | torch.nn.Linear)
    ]
    # the "Param #" of its summary, line by line, as far as it is printed
    assert counts[:7] == [672, 48, 1152, 96, 5184, 72, 1728]
    assert counts[-3:] == [96, 5184, 3430]
    norms = [m.num_features for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms[::2][:16] == [24 + 12 * layer for layer in range(16)]
    assert spec.infer()[-3].out_shape == (342, 8, 8)


@pytest.mark.parametrize(
    "edits",
    [
        ("all.norm=group", "dense.nl=hswish"),
        ("dense.se=true", "transition.se=true", "dense.spatial=fuse"),
        ("dense.spatial=factorised", "all.weight_std=true", "norm.nl=swish"),
        ("dense.spatial=shift", "dense.kernel=5", "drop_path=0.2"),
        ("dense.growth=x0.5", "transition.compression=0.3", "transition.pool=3"),
        ("dense.norm=none", "transition.norm=none", "norm.norm=none"),
    ],
)
def test_edits_reach_into_the_layers(edits: tuple[str, ...]) -> None:
    spec = load_spec("densenet_bc_100_12").edit("dense.depth=2").edit(*edits)
    check_costs(spec, (18, 18))
    network = build(spec, size=(18, 18))
    logits = network(torch.randn(3, 3, 18, 18))
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_what_does_not_fit_is_said() -> None:
    spec = load_spec("densenet_bc_100_12")
    with pytest.raises(InputError, match=r"row 2: kernel 4 is even, .* use 3 or 5"):
        spec.edit("dense.kernel=4")
