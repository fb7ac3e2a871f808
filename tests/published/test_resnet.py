"""ResNets against torchvision, the CIFAR ones against hand arithmetic and the source's code."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from fuseablate import load_spec, measure
from tests.helpers.references import check_costs, same_function, same_size


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_the_same_function_as_torchvisions(name: str) -> None:
    make = partial(torchvision.models.get_model, name)
    same_function(load_spec(name), make, (64, 48), gradients=name == "resnet18")
    check_costs(load_spec(name), (33, 33))


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"])
def test_the_same_size_as_torchvisions(name: str) -> None:
    same_size(load_spec(name), lambda: torchvision.models.get_model(name))


def test_the_cifar_form_is_proved() -> None:
    check_costs(load_spec("resnet18:cifar"), (32, 32))


class Block(nn.Module):
    """The block of the source's tutorial; without `downsample` the paper's padded identity."""

    def __init__(self, cin: int, cout: int, stride: int, downsample: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.downsample = downsample
        self.stride, self.added = stride, cout - cin

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        out: Tensor = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        if self.downsample:
            out = out + self.downsample(x)
            return out.relu()
        x = x[:, :, :: self.stride, :: self.stride]
        before = x.new_zeros(x.shape[0], self.added // 2, *x.shape[2:])
        return (out + torch.cat([before, x, before], 1)).relu()


class CifarResNet(nn.Module):
    """The tutorial's network, and the paper's 6n + 2 where no shortcut has params."""

    def __init__(self, depth: int, projected: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(16)
        blocks = []
        for cin, cout, stride in ((16, 16, 1), (16, 32, 2), (32, 64, 2)):
            project = nn.Sequential(
                nn.Conv2d(cin, cout, 3, stride, 1, bias=False), nn.BatchNorm2d(cout)
            )
            blocks.append(Block(cin, cout, stride, project if projected and stride == 2 else None))
            blocks += [Block(cout, cout, 1, None) for _ in range(depth - 1)]
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (N, 10) of images of 32x32."""
        out = self.blocks(self.bn(self.conv(x)).relu())
        logits: Tensor = self.fc(F.avg_pool2d(out, 8).flatten(1))
        return logits


@pytest.mark.parametrize(("name", "depth"), [("resnet20", 3), ("resnet_tutorial", 2)])
def test_cifar_resnets_are_the_function_as_published(name: str, depth: int) -> None:
    make = partial(CifarResNet, depth, projected=name == "resnet_tutorial")
    same_function(load_spec(name), make, (32, 32), gradients=True)
    check_costs(load_spec(name))


@pytest.mark.parametrize(
    ("name", "blocks", "published"),
    [
        ("resnet20", 3, 0.27),
        ("resnet32", 5, 0.46),
        ("resnet44", 7, 0.66),
        ("resnet56", 9, 0.85),
        ("resnet110", 18, 1.73),  # 1.7M in the paper
    ],
)
def test_cifar_resnets_by_hand(name: str, blocks: int, published: float) -> None:
    total, cin = 27 * 16 + 2 * 16, 16
    for width in (16, 32, 64):
        for _ in range(blocks):
            total += 9 * cin * width + 9 * width * width + 4 * width
            cin = width
    total += 64 * 10 + 10
    assert measure(load_spec(name)).params == total
    assert round(total / 1e6, 2) == published
    assert int(name.removeprefix("resnet")) == 6 * blocks + 2
    same_size(load_spec(name), lambda: CifarResNet(blocks, projected=False))


def test_the_tutorials_resnet_by_hand() -> None:
    stem = 27 * 16 + 32
    first = 2 * (2 * 9 * 16 * 16 + 64)
    second = 9 * 16 * 32 + 3 * 9 * 32 * 32 + 4 * 64 + 9 * 16 * 32 + 64
    third = 9 * 32 * 64 + 3 * 9 * 64 * 64 + 4 * 128 + 9 * 32 * 64 + 128
    assert measure(load_spec("resnet_tutorial")).params == stem + first + second + third + 650
    same_size(load_spec("resnet_tutorial"), lambda: CifarResNet(2, projected=True))
