"""Network in Network against a module written out, and by hand."""

from __future__ import annotations

import pytest
from torch import Tensor, nn

from fuseablate import load_spec, measure
from tests.helpers.references import check_costs, same_function


class NetworkInNetwork(nn.Sequential):
    """Three mlpconv layers with max pools and dropout between, and a global mean."""

    def __init__(self, classes: int) -> None:
        super().__init__(
            *self.mlpconv(3, 5, 192, 160, 96),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.Dropout(0.5),
            *self.mlpconv(96, 5, 192, 192, 192),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.Dropout(0.5),
            *self.mlpconv(192, 3, 192, 192, classes),
        )

    @staticmethod
    def mlpconv(cin: int, kernel: int, first: int, second: int, third: int) -> list[nn.Module]:
        return [
            nn.Conv2d(cin, first, kernel, padding=kernel // 2),
            nn.ReLU(),
            nn.Conv2d(first, second, 1),
            nn.ReLU(),
            nn.Conv2d(second, third, 1),
            nn.ReLU(),
        ]

    def forward(self, x: Tensor) -> Tensor:
        for module in self:
            x = module(x)
        return x.mean(dim=(2, 3))


def test_the_same_function_as_the_module() -> None:
    same_function(load_spec("nin"), lambda: NetworkInNetwork(100), (18, 13), gradients=True)
    check_costs(load_spec("nin"), (32, 32))


def test_params_and_macs_by_hand() -> None:
    # (taps, in, out) at each of the map's sizes
    convolutions = {
        32: [(25, 3, 192), (1, 192, 160), (1, 160, 96)],
        16: [(25, 96, 192), (1, 192, 192), (1, 192, 192)],
        8: [(9, 192, 192), (1, 192, 192), (1, 192, 10)],
    }
    cost = measure(load_spec("nin").with_classes(10))
    assert (
        cost.params
        == 966_986
        == sum(
            taps * cin * cout + cout
            for layers in convolutions.values()
            for taps, cin, cout in layers
        )
    )
    assert cost.macs == sum(
        taps * cin * cout * side**2
        for side, layers in convolutions.items()
        for taps, cin, cout in layers
    )


@pytest.mark.parametrize(
    "edit",
    [
        "mlpconv.se=true",
        "mlpconv.nl=hswish",
        "all.norm=group",
        "mlpconv.norm=batch",
        "mlpconv.spatial=separable",
        "mlpconv.out=x0.5",
        "mlpconv.out=64,32",
        "4.op=avgpool",
        "scale.width=x0.5",
    ],
)
def test_an_edit_means_what_it_costs(edit: str) -> None:
    check_costs(load_spec("nin").edit(edit), (16, 16))
