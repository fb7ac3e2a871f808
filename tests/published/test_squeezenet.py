"""SqueezeNet against torchvision."""

from __future__ import annotations

from functools import partial

import pytest
import torchvision

from fuseablate import InputError, load_spec, measure
from tests.helpers.references import check_costs, same_function, same_size

NAMES = ("squeezenet1_0", "squeezenet1_1")


@pytest.mark.parametrize("name", NAMES)
def test_the_same_function_as_torchvisions(name: str) -> None:
    make = partial(torchvision.models.get_model, name)
    same_function(load_spec(name), make, (40, 33), gradients=name == "squeezenet1_1")
    check_costs(load_spec(name), (33, 33))
    check_costs(load_spec(f"{name}:cifar"), (32, 32))


@pytest.mark.parametrize("name", NAMES)
def test_the_same_size_as_torchvisions(name: str) -> None:
    same_size(load_spec(name), lambda: torchvision.models.get_model(name))


def test_the_small_form_ends_in_a_map_of_four() -> None:
    for name in NAMES:
        assert load_spec(f"{name}:cifar").infer()[-1].in_shape == (100, 4, 4)


@pytest.mark.parametrize(
    "edit",
    [
        "fire.se=true",
        "fire.nl=hswish",
        "fire.norm=batch",
        "fire.norm=group",
        "fire.spatial=separable",
        "fire.spatial=fuse",
        "fire.spatial=shift",
        "fire.residual=true",
        "fire.squeeze=x2",
        "fire.kernel=5",
        "all.weight_std=true",
        "scale.width=x0.5",
        "scale.depth=x2",
    ],
)
def test_an_edit_means_what_it_costs(edit: str) -> None:
    check_costs(load_spec("squeezenet1_1:cifar").edit(edit), (32, 32))


def test_a_fire_module_by_hand() -> None:
    row = load_spec("squeezenet1_0").infer()[2]
    assert row.in_shape == (96, 54, 54)  # (224 - 7) // 2 + 1 = 109, and half of that, rounded down
    params = (96 * 16 + 16) + (16 * 64 + 64) + (16 * 64 * 9 + 64)
    assert (row.cost.params, row.out_shape) == (params, (128, 54, 54))
    assert row.cost.macs == (96 * 16 + 16 * 64 + 16 * 64 * 9) * 54 * 54
    # SE over 128 channels: 128 to 32 to 128, without biases; a norm: two numbers a channel.
    spec = load_spec("squeezenet1_0")
    assert spec.edit("3.se=true").infer()[2].cost.params == params + 2 * 128 * 32
    assert spec.edit("3.norm=batch").infer()[2].cost.params == params + 2 * (16 + 64 + 64)


def test_the_simple_bypass_is_where_the_shape_stays() -> None:
    # The paper's figure 2, middle: around fire 3, 5, 7 and 9, which are the second of each pair.
    spec = load_spec("squeezenet1_0")
    bypassed = spec.edit("fire.residual=true")
    assert measure(bypassed).params == measure(spec).params
    added = [
        after.row.id
        for before, after in zip(spec.infer(), bypassed.infer(), strict=True)
        if before.layer != after.layer and type(after.layer) is not type(before.layer)
    ]
    assert added == ["3/2", "6", "7/2", "10"]


def test_a_form_that_cannot_be_is_refused_in_one_line() -> None:
    with pytest.raises(InputError, match="use 3 or 5") as error:
        load_spec("squeezenet1_1").edit("fire.kernel=4")
    assert "\n" not in str(error.value)
