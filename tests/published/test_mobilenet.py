"""MobileNets and MnasNets against torchvision and timm; FuSeNet's derived tables by arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
import timm
import torchvision
from torch import nn

from fuseablate import InputError, load_spec, measure
from tests.helpers.references import check_costs, same_function, same_size

TIMM: Callable[..., nn.Module] = timm.create_model  # which has no type hints
MAKERS: dict[str, Callable[[], nn.Module]] = {
    "mobilenet_v1": lambda: TIMM("mobilenetv1_100", pretrained=False),
    "mobilenet_v2": lambda: torchvision.models.mobilenet_v2(weights=None),
    "mobilenet_v3_small": lambda: torchvision.models.mobilenet_v3_small(weights=None),
    "mobilenet_v3_large": lambda: torchvision.models.mobilenet_v3_large(weights=None),
    "mnasnet0_5": lambda: torchvision.models.mnasnet0_5(weights=None),
    "mnasnet0_75": lambda: torchvision.models.mnasnet0_75(weights=None),
    "mnasnet1_0": lambda: torchvision.models.mnasnet1_0(weights=None),
    "mnasnet1_3": lambda: torchvision.models.mnasnet1_3(weights=None),
}


@pytest.mark.parametrize("name", list(MAKERS))
def test_the_same_function_as_the_reference(name: str) -> None:
    gradients = name == "mobilenet_v3_small"
    same_function(load_spec(name), MAKERS[name], (40, 33), gradients=gradients)


@pytest.mark.parametrize("name", list(MAKERS))
def test_the_same_size_as_the_reference(name: str) -> None:
    same_size(load_spec(name), MAKERS[name])


def test_the_published_params() -> None:
    # V2, V3, MnasNet: torchvision's printed numbers; V1: the paper's table 8 says 4.2 million.
    assert measure(load_spec("mobilenet_v2")).params == 3_504_872
    assert round(measure(load_spec("mobilenet_v2")).macs / 1e6) == 301  # the paper's table 4: 300
    for width, params in (("0_5", 2218512), ("0_75", 3170208), ("1_0", 4383312), ("1_3", 6282256)):
        assert measure(load_spec(f"mnasnet{width}")).params == params
    assert measure(load_spec("mobilenet_v3_small")).params == 2_542_856
    assert measure(load_spec("mobilenet_v3_large")).params == 5_483_032
    assert round(measure(load_spec("mobilenet_v1")).params / 1e6, 1) == 4.2
    assert round(measure(load_spec("mobilenet_v1")).macs / 1e6) == 569  # the paper's table 8


@pytest.mark.parametrize("name", list(MAKERS))
def test_the_layers_cost_what_is_counted(name: str) -> None:
    cifar = load_spec(f"{name}:cifar")
    assert cifar.classes == 100
    assert [t.in_shape[1:] for t in cifar.infer() if t.row.op == "pool"] == [(4, 4)]
    check_costs(cifar, (32, 32))


def test_the_separable_rows_are_a_depthwise_and_a_pointwise_convolution() -> None:
    # Row 2 of MobileNetV1, 32 to 64 channels: 32 kernels of 3x3 and 64 of 32, each with a norm.
    row = load_spec("mobilenet_v1").infer()[1]
    assert row.cost.params == 32 * 9 + 2 * 32 + 64 * 32 + 2 * 64
    assert row.cost.macs == 112 * 112 * (32 * 9 + 64 * 32)


def test_fusenets_derived_tables() -> None:
    full, half, kxk = map(load_spec, ("fusenet", "fusenet_half", "fusenet_kxk"))
    assert half.edits == kxk.edits == ()
    # Row 3 filters 72 channels at stride 2 to 28x28. Full: both kernels of 3 over all 72, norms
    # of 144, 144 to 24; half: one kernel of 3 a channel; KxK: one of 9 a channel.
    expand, end = 16 * 72 + 2 * 72, 2 * 24
    assert full.infer()[2].cost.params == expand + 2 * 72 * 3 + 2 * 144 + 144 * 24 + end
    assert half.infer()[2].cost.params == expand + 72 * 3 + 2 * 72 + 72 * 24 + end
    assert kxk.infer()[2].cost.params == expand + 72 * 9 + 2 * 72 + 72 * 24 + end
    for spec in (half, kxk):
        check_costs(spec, (32, 32))


def test_se_before_the_nl_is_an_edit() -> None:
    spec = load_spec("mobilenet_v3_small")
    other = spec.edit("mbconv.se_place=before_nl")
    assert measure(other) == measure(spec)
    assert other.digest() != spec.digest()


@pytest.mark.parametrize(
    ("form", "filters"), [("dense", 240 * 240 * 25), ("factorised", 2 * 240 * 5 + 2 * 240)]
)
def test_the_form_of_the_filter_between_the_1x1s(form: str, filters: int) -> None:
    """Row 6 of the KxK table filters 240 channels by 5x5; a norm between two has 2 a channel."""
    spec = load_spec("fusenet_kxk")
    after = spec.edit(f"6.spatial={form}")
    assert measure(after).params - measure(spec).params == filters - 240 * 25
    check_costs(spec.edit(f"mbconv.spatial={form}", "scale.width=x0.25"), (32, 32))


def test_forms_that_are_ops_of_their_own_are_named() -> None:
    spec = load_spec("fusenet_kxk")
    with pytest.raises(InputError, match=r"row 2: spatial=fuse of an mbconv row is .* op=fuse"):
        spec.edit("mbconv.spatial=fuse")
    with pytest.raises(InputError, match=r"no row of fuse has spatial; .* op=mbconv takes the oth"):
        load_spec("fusenet").edit("fuse.spatial=dense")


def test_a_form_of_all_convolutions_leaves_the_1x1s() -> None:
    vgg = load_spec("vgg11").edit("all.spatial=separable")
    # Rows 1 to 8 of VGG-11 by hand: depthwise 3x3 (without bias) and 1x1 with bias, for each.
    widths = [3, 64, 128, 256, 256, 512, 512, 512, 512]
    convolutions = sum(9 * a + a * b + b for a, b in pairwise(widths))
    linear = 25_088 * 4_096 + 4_096 + 4_096 * 4_096 + 4_096 + 4_096 * 1_000 + 1_000
    assert measure(vgg).params == convolutions + linear
    with pytest.raises(InputError, match=r"edit 'drop_path=0.1': changes nothing"):
        vgg.edit("drop_path=0.1")
