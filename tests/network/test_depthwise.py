"""Depthwise convolutions with a weight gradient of their own, against torch's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from fuseablate.network.modules import DepthwiseConv2d

Pair = tuple[int, int]


def module(kernel: Pair, stride: Pair, channels: int = 2) -> DepthwiseConv2d:
    padding = (kernel[0] // 2, kernel[1] // 2)
    conv = DepthwiseConv2d(channels, channels, kernel, stride, padding, groups=channels, bias=False)
    return conv.to(memory_format=torch.channels_last)


def torchs_own(conv: DepthwiseConv2d, x: Tensor) -> Tensor:
    return F.conv2d(x, conv.weight, None, conv.stride, conv.padding, groups=conv.groups)


def gradients(y: Tensor, conv: DepthwiseConv2d, x: Tensor) -> tuple[Tensor, ...]:
    """Return those of a scalar that is curved in `y`, and those of the gradients' own squares."""
    first = torch.autograd.grad(y.sin().sum(), (x, conv.weight), create_graph=True)
    squares = sum((part.square().sum() for part in first), torch.zeros((), dtype=x.dtype))
    return (*first, *torch.autograd.grad(squares, (x, conv.weight)))


sides = st.sampled_from([1, 3, 5, 7])
strides = st.integers(1, 3)
lengths = st.integers(1, 9)


@settings(max_examples=20, deadline=None)
@given(
    st.tuples(sides, sides),
    st.tuples(strides, strides),
    st.tuples(lengths, lengths),
    st.booleans(),
)
@example((5, 7), (1, 2), (1, 1), False)  # a map of which one tap sees anything
@example((7, 5), (1, 1), (1, 1), True)
def test_gradients_of_any_shape_are_torchs(
    kernel: Pair, stride: Pair, size: Pair, channels_last: bool
) -> None:
    conv = module(kernel, stride).double()
    form = torch.channels_last if channels_last else torch.contiguous_format
    x = torch.randn(2, 2, *size, dtype=torch.float64).to(memory_format=form).requires_grad_()
    y, expected = conv(x), torchs_own(conv, x)
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(gradients(y, conv, x), gradients(expected, conv, x))


SHAPES: list[tuple[Pair, Pair, int]] = [
    ((5, 1), (1, 1), 2),
    ((1, 5), (1, 1), 2),
    ((5, 5), (1, 1), 2),
    ((5, 1), (2, 2), 2),
    ((1, 5), (2, 2), 4),
    ((3, 3), (1, 1), 2),
    ((3, 1), (2, 2), 8),
    ((1, 3), (2, 2), 8),
    ((7, 1), (2, 2), 8),
    ((5, 5), (1, 1), 8),
    ((7, 7), (2, 2), 8),
    ((7, 7), (1, 1), 4),
    ((3, 3), (2, 2), 16),
    ((1, 7), (1, 1), 16),
]


@pytest.mark.parametrize(("kernel", "stride", "side"), SHAPES)
def test_onednn_never_takes_a_weight_gradient_as_a_dense_one(
    kernel: Pair, stride: Pair, side: int, capfd: pytest.CaptureFixture[str]
) -> None:
    if not torch.backends.cpu.get_cpu_capability().startswith("AVX"):
        pytest.skip("oneDNN has other kernels here")
    conv = module(kernel, stride, channels=24)
    x = torch.randn(16, 24, side, side).contiguous(memory_format=torch.channels_last)
    verbose = torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON)  # type: ignore[no-untyped-call]
    with verbose:
        conv(x).square().sum().backward()
    ran = [line.split(",") for line in capfd.readouterr().out.splitlines() if ",exec," in line]
    of_weight = [line for line in ran if "backward_weights" in line]
    assert of_weight
    assert all(any(word.startswith("jit_dw:") for word in line) for line in of_weight)


@pytest.mark.parametrize(("kernel", "stride", "side"), SHAPES)
def test_float32_is_equal_to_rounding_and_the_same_each_time(
    kernel: Pair, stride: Pair, side: int
) -> None:
    conv = module(kernel, stride, channels=24)
    x = torch.randn(16, 24, side, side).contiguous(memory_format=torch.channels_last)
    x.requires_grad_()

    def computed(y: Tensor) -> list[Tensor]:
        return [y, *torch.autograd.grad(y.square().sum(), (x, conv.weight))]

    mine, again = computed(conv(x)), computed(conv(x))
    assert all(torch.equal(a, b) for a, b in zip(mine, again, strict=True))
    assert mine[2].stride() == conv.weight.stride()
    scaled: dict[str, Any] = {"rtol": 1e-5, "atol": 1e-3}
    torch.testing.assert_close(mine, computed(torchs_own(conv, x)), **scaled)


def test_autocast_computes_as_torch_does() -> None:
    conv = module((5, 5), (1, 1))
    x = torch.randn(2, 2, 4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        y, expected = conv(x), torchs_own(conv, x)
    assert y.dtype == torch.bfloat16
    (mine,), (theirs,) = (torch.autograd.grad(z.sum(), conv.weight) for z in (y, expected))
    assert torch.equal(mine, theirs)
