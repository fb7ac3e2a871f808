"""The cross-check with fvcore: it passes where it should, and fails where it must."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fuseablate import build, load_spec, measure
from fuseablate.network.check import (
    MACS,
    NOT_MACS,
    CheckError,
    Mismatch,
    UnclassifiedOperatorError,
    mismatches,
    verify,
)
from fuseablate.spec.spec import Spec

IMAGE = torch.zeros(1, 3, 32, 32)
SIZE = (32, 32)


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load_spec("fusenet")


def wrong(network: nn.Module, spec: Spec) -> dict[str, set[str]]:
    """What differs: the numbers, by row."""
    mistakes: dict[str, set[str]] = {}
    for difference in mismatches(network.eval(), IMAGE, spec.infer(SIZE)):
        mistakes.setdefault(difference.row, set()).add(difference.what)
    return mistakes


@pytest.mark.parametrize("size", [(224, 224), (32, 32), (40, 56), None])
def test_the_baseline_is_proved(spec: Spec, size: tuple[int, int] | None) -> None:
    assert verify(spec, size) == []


def test_fvcore_counts_the_known_totals(spec: Spec) -> None:
    # A count that uses none of our code: fvcore's own table by operator, and torch's parameters.
    from fvcore.nn import FlopCountAnalysis

    network = build(spec).eval()
    analysis = FlopCountAnalysis(network, IMAGE)
    analysis.unsupported_ops_warnings(False)
    by_operator = analysis.by_operator()
    assert by_operator["conv"] + by_operator["linear"] == 4_123_392
    assert measure(spec, SIZE).macs == 4_123_392
    assert sum(p.numel() for p in network.parameters()) == measure(spec).params == 3_284_608


def test_a_swapped_kernel_is_found(spec: Spec) -> None:
    network = build(spec)
    network.get_submodule("rows.3.depthwise.row").conv = nn.Conv2d(
        72, 72, (1, 5), 2, (0, 2), groups=72, bias=False
    )
    # 2 taps more on each of 72 channels, at 4 x 4 pixels; the total of the bytes as well
    (params, macs, total, saved) = mismatches(network.eval(), IMAGE, spec.infer(SIZE))
    assert params == Mismatch("3", "params", 5520, 5520 + 144)
    assert (macs.row, macs.what) == ("3", "MACs")
    assert int(str(macs.traced)) - int(str(macs.counted)) == 144 * 16
    assert (total.row, total.what, total.traced) == ("all", "MACs", 4_123_392 + 144 * 16)
    assert (saved.row, saved.what) == ("all", "bytes saved")
    assert "row 3: params: layers say 5520, the trace 5664" in str(params)


def test_a_stride_at_the_wrong_place_is_found(spec: Spec) -> None:
    # The same params, but the pointwise convolution strides as well.
    network = build(spec)
    network.get_submodule("rows.2.project").conv = nn.Conv2d(32, 16, 1, stride=2, bias=False)
    mistakes = wrong(network, spec)
    assert "MACs" in mistakes["2"]
    assert "output shape" in mistakes["2"]
    assert "params" not in mistakes["2"]


def test_other_wrong_networks_are_found(spec: Spec) -> None:
    with_bias = build(spec)
    with_bias.get_submodule("rows.16").conv = nn.Conv2d(1024, 100, 1, bias=True)
    assert wrong(with_bias, spec)["16"] == {"params"}

    no_squeeze = build(spec)
    no_squeeze.get_submodule("rows.13").se = nn.Identity()
    assert wrong(no_squeeze, spec)["13"] == {"params", "MACs"}

    no_norm = build(spec)
    no_norm.get_submodule("rows.1").norm = nn.Identity()
    assert wrong(no_norm, spec) == {"1": {"params"}, "all": {"bytes saved"}}

    dense = build(spec)
    dense.get_submodule("rows.4.depthwise.row").conv = nn.Conv2d(88, 88, (1, 3), 1, (0, 1))
    assert {"params", "MACs"} <= wrong(dense, spec)["4"]

    fewer = build(spec.edit("classes=10"))
    assert {"output shape", "params", "MACs"} <= wrong(fewer, spec)["16"]
    assert "logits" in wrong(fewer, spec)["all"]


class Erf(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.erf(x)


class Product(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.matmul(x, x.transpose(2, 3)) @ x


@pytest.mark.parametrize(
    ("module", "operator"),
    [(Erf(), "aten::erf"), (Product(), "matmul"), (nn.LocalResponseNorm(1), "aten::avg_pool3d")],
)
def test_an_operator_that_nobody_classified_raises(
    spec: Spec, module: nn.Module, operator: str
) -> None:
    network = build(spec)
    network.get_submodule("rows.1").act = module
    with pytest.raises(UnclassifiedOperatorError, match=f"operator {operator} is not classified"):
        mismatches(network.eval(), IMAGE, spec.infer(SIZE))


def test_a_network_in_training_mode_is_refused(spec: Spec) -> None:
    with pytest.raises(CheckError, match=r"call \.eval\(\)"):
        mismatches(build(spec).train(), IMAGE, spec.infer(SIZE))


def test_no_operator_is_in_both_lists() -> None:
    assert frozenset({"conv", "linear"}) == MACS
    assert not MACS & NOT_MACS
