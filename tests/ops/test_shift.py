"""The shift against a convolution whose kernels are one-hot, and the table built of it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from fuseablate import build, load_spec, measure
from fuseablate.layers import Shift
from fuseablate.network.builder import FAST_MODULES, PRIMITIVE_MODULES, to_module
from tests.helpers.references import check_costs


@pytest.mark.parametrize("channels", [4, 9, 21, 31])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (1, 2)])
def test_a_shift_is_a_depthwise_convolution_of_one_hot_kernels(
    channels: int, kernel: int, stride: int
) -> None:
    places = kernel * kernel
    kernels = torch.zeros(channels, places)
    for channel in range(channels):
        run = channels // places
        # The channels in equal runs to the places, in reading order; those left over stay.
        place = channel // run if run and channel < run * places else places // 2
        kernels[channel, place] = 1
    x = torch.randn(2, channels, 7, 6)
    weight = kernels.view(channels, 1, kernel, kernel)
    expected = F.conv2d(x, weight, stride=stride, padding=kernel // 2, groups=channels)
    shift = to_module(Shift(kernel, stride))
    assert torch.equal(shift(x), expected)
    assert Shift(kernel, stride).infer((channels, 7, 6))[0] == tuple(expected.shape[1:])
    assert not list(shift.state_dict())


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (5, 2), (7, 1)])
@pytest.mark.parametrize(("channels", "height", "width"), [(60, 7, 4), (49, 1, 2), (5, 3, 3)])
def test_the_fast_shift_is_the_plain_one_with_its_gradient(
    kernel: int, stride: int, channels: int, height: int, width: int
) -> None:
    plain, fast = (
        to_module(Shift(kernel, stride), table) for table in (PRIMITIVE_MODULES, FAST_MODULES)
    )
    x = torch.randn(2, channels, height, width).requires_grad_()
    z = x.detach().clone().requires_grad_()
    y = plain(x)
    assert torch.equal(y, fast(z))
    gradient = torch.randn_like(y)
    y.backward(gradient)
    fast(z).backward(gradient)
    assert x.grad is not None
    assert z.grad is not None
    assert torch.equal(x.grad, z.grad)


def test_a_shift_has_no_params_and_no_macs() -> None:
    _, cost = Shift(3).infer((18, 8, 8))
    assert (cost.params, cost.macs, cost.activations, cost.bytes) == (0, 0, 0, 0)


def test_shiftnet_by_hand() -> None:
    spec = load_spec("shiftnet")
    total, macs = 27 * 16 + 32, 27 * 16 * 32 * 32
    cin, side = 16, 32
    for out, stride in ((16, 1), (32, 2), (64, 2)):
        for step in (stride, 1, 1):
            inner = 3 * out
            total += cin * inner + 2 * inner + inner * out + 2 * out
            macs += cin * inner * side * side
            side //= step
            macs += inner * out * side * side
            cin = out
    cost = measure(spec)
    assert (cost.params, cost.macs) == (total + 650, macs + 640)
    # The authors' code counts 95,642 params for ShiftResNet20-3, with two projected shortcuts:
    # 1x1 convolutions with a batch norm, 16 to 32 and 32 to 64 channels.
    assert cost.params == 95_642 - (16 * 32 + 64) - (32 * 64 + 128)
    check_costs(spec)


def test_a_depthwise_filter_costs_what_the_shift_saves() -> None:
    shift = load_spec("shiftnet")
    depthwise = shift.edit("shift.op=mbconv")
    filters = sum((9 + 2) * row.values()["exp"] for row in shift.rows if row.op == "shift")
    assert measure(depthwise).params - measure(shift).params == filters


@pytest.mark.parametrize("name", ["resnet20", "resnet_tutorial"])
def test_the_form_shift_in_another_network(name: str) -> None:
    spec = load_spec(name).edit("basic.spatial=shift")
    check_costs(spec)
    convs = [c for c in build(spec).modules() if isinstance(c, torch.nn.Conv2d)]
    assert {c.kernel_size for c in convs[1:]} <= {(1, 1), (3, 3)}
    assert sum(c.kernel_size == (3, 3) for c in convs) == (1 if name == "resnet20" else 3)
