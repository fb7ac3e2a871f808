"""MobileNetV3-Small for CIFAR, against a module of its own and the figures of its authors."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fuseablate import load_spec, measure
from tests.helpers.references import check_costs, same_function, same_size

# Table 2 of the paper: kernel, expansion, out, squeeze and excite, activation, stride at 32x32.
BLOCKS = (
    (3, 16, 16, True, nn.ReLU, 1),
    (3, 72, 24, False, nn.ReLU, 2),
    (3, 88, 24, False, nn.ReLU, 1),
    (5, 96, 40, True, nn.Hardswish, 2),
    (5, 240, 40, True, nn.Hardswish, 1),
    (5, 240, 40, True, nn.Hardswish, 1),
    (5, 120, 48, True, nn.Hardswish, 1),
    (5, 144, 48, True, nn.Hardswish, 1),
    (5, 288, 96, True, nn.Hardswish, 2),
    (5, 576, 96, True, nn.Hardswish, 1),
    (5, 576, 96, True, nn.Hardswish, 1),
)
NAMES = {
    "mobilenet_v3_small_cifar": 1.0,
    "mobilenet_v3_small_cifar_x0_5": 0.5,
    "mobilenet_v3_small_cifar_x0_35": 0.35,
}


def conv(cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    padding = kernel // 2
    return [
        nn.Conv2d(cin, cout, kernel, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(cout),
    ]


class Squeeze(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weights = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, channels // 4, 1),
            nn.ReLU(),
            nn.Conv2d(channels // 4, channels, 1),
            nn.Hardsigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        scaled: Tensor = x * self.weights(x)
        return scaled


class Block(nn.Module):
    def __init__(
        self, cin: int, kernel: int, exp: int, out: int, se: bool, act: type[nn.Module], stride: int
    ) -> None:
        super().__init__()
        self.adds = stride == 1 and cin == out
        self.body = nn.Sequential(
            *conv(cin, exp, 1),
            act(),
            *conv(exp, exp, kernel, stride, exp),
            act(),
            *([Squeeze(exp)] if se else []),
            *conv(exp, out, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return x + y if self.adds else y


def network(width: float) -> nn.Module:
    stem = int(16 * width)
    modules: list[nn.Module] = [nn.BatchNorm2d(3), *conv(3, stem, 3), nn.Hardswish()]
    cin = stem
    for kernel, exp, out, se, act, stride in BLOCKS:
        modules.append(Block(cin, kernel, int(exp * width), int(out * width), se, act, stride))
        cin = int(out * width)
    modules += [*conv(cin, 576, 1), nn.Hardswish(), Squeeze(576), nn.AdaptiveAvgPool2d(1)]
    return nn.Sequential(*modules, nn.Conv2d(576, 100, 1), nn.Flatten())


@torch.no_grad()
def operations(model: nn.Module) -> int:
    """Count as the authors do: biases, two for a norm, and ReLUs and pooling, too."""
    counted = 0

    def count(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        nonlocal counted
        match module:
            case nn.Conv2d():
                counted += output[0, 0].numel() * module.weight.numel()
                counted += output.numel() if module.bias is not None else 0
            case nn.BatchNorm2d():
                counted += 2 * inputs[0].numel()
            case nn.ReLU() | nn.AdaptiveAvgPool2d():
                counted += inputs[0].numel()

    for module in model.modules():
        module.register_forward_hook(count)
    model.eval()(torch.zeros(1, 3, 32, 32))
    return counted


def test_the_same_function_as_the_module() -> None:
    spec = load_spec("mobilenet_v3_small_cifar_x0_35")
    same_function(spec, lambda: network(0.35), (32, 32))


@pytest.mark.parametrize(("name", "width"), NAMES.items())
def test_the_same_size_as_the_module(name: str, width: float) -> None:
    same_size(load_spec(name), lambda: network(width))


def test_the_published_figures() -> None:
    """Millions of params and of operations, CIFAR-100; the models of the authors' README."""
    published = {1.0: (1.15, 18.54), 0.5: (0.49, 6.05), 0.35: (0.37, 3.50)}
    for name, width in NAMES.items():
        params, counted = published[width]
        cost = measure(load_spec(name))
        assert round(cost.params / 1e6, 2) == params
        assert round(operations(network(width)) / 1e6, 2) == counted
        assert cost.macs / 1e6 < counted


def test_the_layers_cost_what_is_counted() -> None:
    check_costs(load_spec("mobilenet_v3_small_cifar_x0_35"))
