"""ShuffleNetV2 and ConvNeXt against torchvision."""

from __future__ import annotations

from functools import partial

import pytest
import torchvision
from torchvision.models import convnext_tiny

from fuseablate import load_spec, measure
from tests.helpers.references import check_costs, same_function, same_size

WIDTHS = ("x0_5", "x1_0", "x1_5", "x2_0")
SLOW = [pytest.param(width, marks=() if width == "x0_5" else pytest.mark.slow) for width in WIDTHS]


@pytest.mark.parametrize("width", SLOW)
def test_the_same_function_as_torchvisions_shufflenet(width: str) -> None:
    name = f"shufflenet_v2_{width}"
    make = partial(torchvision.models.get_model, name, weights=None)
    same_function(load_spec(name), make, (40, 33), gradients=width == "x0_5")


@pytest.mark.parametrize("width", WIDTHS)
def test_the_same_size_as_torchvisions_shufflenet(width: str) -> None:
    name = f"shufflenet_v2_{width}"
    same_size(load_spec(name), lambda: torchvision.models.get_model(name, weights=None))


def test_convnext_is_torchvisions() -> None:
    spec = load_spec("convnext_tiny")
    same_size(spec, lambda: convnext_tiny(weights=None))
    same_function(spec, partial(convnext_tiny, weights=None), (64, 64), ("layer_scale",))


def test_the_published_params() -> None:
    params = (1_366_792, 2_278_604, 3_503_624, 7_393_996)  # torchvision's printed numbers
    specs = [load_spec(f"shufflenet_v2_{width}") for width in WIDTHS]
    assert tuple(measure(spec).params for spec in specs) == params
    assert measure(load_spec("convnext_tiny")).params == 28_589_128


@pytest.mark.parametrize(
    ("width", "macs", "params"), [("x0_5", 10.99, 0.44), ("x1_0", 45.09, 1.36)]
)
def test_the_form_for_cifar_is_that_of_others(width: str, macs: float, params: float) -> None:
    """Of chenyaofo/pytorch-cifar-models, whose README prints both in millions."""
    spec = load_spec(f"shufflenet_v2_{width}:cifar")
    assert spec.classes == 100
    cost = measure(spec)
    assert (round(cost.macs / 1e6, 2), round(cost.params / 1e6, 2)) == (macs, params)
    check_costs(spec)


@pytest.mark.parametrize("form", ["fuse", "fuse_half"])
def test_fuse_forms_of_their_filters(form: str) -> None:
    for name in ("shufflenet_v2_x0_5:cifar", "convnext_tiny:cifar"):
        spec = load_spec(name).edit(f"all.depthwise={form}")
        assert measure(spec).params != measure(load_spec(name)).params
        check_costs(spec)
