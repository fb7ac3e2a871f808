"""AlexNet and the VGGs against torchvision, and VGG-16 against the source's list of its layers."""

from __future__ import annotations

import re
from functools import partial

import pytest
import torchvision

from fuseablate import load_spec
from fuseablate.layers import numel
from tests.helpers.references import check_costs, same_function, same_size

VGGS = [f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn")]
# The source's list, as printed: the map, the numbers it holds, the params without biases.
SOURCE = """
INPUT: [224x224x3] memory: 224*224*3=150K params: 0
CONV3-64: [224x224x64] memory: 224*224*64=3.2M params: (3*3*3)*64 = 1,728
CONV3-64: [224x224x64] memory: 224*224*64=3.2M params: (3*3*64)*64 = 36,864
POOL2: [112x112x64] memory: 112*112*64=800K params: 0
CONV3-128: [112x112x128] memory: 112*112*128=1.6M params: (3*3*64)*128 = 73,728
CONV3-128: [112x112x128] memory: 112*112*128=1.6M params: (3*3*128)*128 = 147,456
POOL2: [56x56x128] memory: 56*56*128=400K params: 0
CONV3-256: [56x56x256] memory: 56*56*256=800K params: (3*3*128)*256 = 294,912
CONV3-256: [56x56x256] memory: 56*56*256=800K params: (3*3*256)*256 = 589,824
CONV3-256: [56x56x256] memory: 56*56*256=800K params: (3*3*256)*256 = 589,824
POOL2: [28x28x256] memory: 28*28*256=200K params: 0
CONV3-512: [28x28x512] memory: 28*28*512=400K params: (3*3*256)*512 = 1,179,648
CONV3-512: [28x28x512] memory: 28*28*512=400K params: (3*3*512)*512 = 2,359,296
CONV3-512: [28x28x512] memory: 28*28*512=400K params: (3*3*512)*512 = 2,359,296
POOL2: [14x14x512] memory: 14*14*512=100K params: 0
CONV3-512: [14x14x512] memory: 14*14*512=100K params: (3*3*512)*512 = 2,359,296
CONV3-512: [14x14x512] memory: 14*14*512=100K params: (3*3*512)*512 = 2,359,296
CONV3-512: [14x14x512] memory: 14*14*512=100K params: (3*3*512)*512 = 2,359,296
POOL2: [7x7x512] memory: 7*7*512=25K params: 0
FC: [1x1x4096] memory: 4096 params: 7*7*512*4096 = 102,760,448
FC: [1x1x4096] memory: 4096 params: 4096*4096 = 16,777,216
FC: [1x1x1000] memory: 1000 params: 4096*1000 = 4,096,000
""".strip().splitlines()
LINE = re.compile(
    r"\S+: \[(?P<size>[0-9x]+)\] memory: (?P<memory>[0-9*]+)(=(?P<rounded>\S+))? "
    r"params: (?P<params>.+)"
)


def product(text: str) -> int:
    """Return the product that `3*3*64` writes."""
    total = 1
    for factor in text.split("*"):
        total *= int(factor)
    return total


def test_vgg16_is_the_sources_list_line_by_line() -> None:
    rows = [row for row in load_spec("vgg16").infer() if row.row.op != "pool"]
    lines = [LINE.fullmatch(line) for line in SOURCE]
    memory = params = 0
    for match, row in zip(lines, [None, *rows], strict=True):
        assert match
        width, height, channels = map(int, match["size"].split("x"))
        assert product(match["memory"]) == width * height * channels
        printed = int(match["params"].rpartition("= ")[2].replace(",", ""))
        memory, params = memory + product(match["memory"]), params + printed
        if row is None:
            assert printed == 0  # the input
            continue
        assert numel(row.out_shape) == product(match["memory"])
        biases = row.out_shape[0] if row.cost.params else 0
        assert row.cost.params - biases == printed
    assert params == 138_344_128  # "TOTAL params: 138M"
    # "TOTAL memory: 24M * 4 bytes ~= 96MB" is not the sum of the lines, which is 15.2M and 61 MB.
    assert memory == 15_237_608
    assert any("15,237,608" in why.value for why in load_spec("vgg16").why)


@pytest.mark.parametrize("name", ["alexnet", *VGGS])
def test_the_same_size_as_torchvisions(name: str) -> None:
    same_size(load_spec(name), lambda: torchvision.models.get_model(name))


def test_alexnet_is_the_same_function_as_torchvisions() -> None:
    # 63 is the least side whose last map is not empty: 15, 7, 3, 1.
    small = load_spec("alexnet").with_classes(10)
    make = partial(torchvision.models.alexnet, num_classes=10)
    same_function(small, make, (63, 63), gradients=True)


@pytest.mark.parametrize("name", [pytest.param("vgg11", marks=pytest.mark.slow), "vgg11_bn"])
def test_vgg_is_the_same_function_as_torchvisions(name: str) -> None:
    small = load_spec(name).with_classes(10)
    same_function(small, partial(torchvision.models.get_model, name, num_classes=10), (32, 32))


@pytest.mark.parametrize("name", ["alexnet", "vgg11", "vgg11_bn"])
def test_the_cifar_form_is_proved(name: str) -> None:
    check_costs(load_spec(f"{name}:cifar"), (32, 32))
