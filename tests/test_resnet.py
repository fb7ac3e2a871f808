"""ResNets against torchvision."""

from __future__ import annotations

import pytest
import torchvision

from fuseablate import load_spec
from tests.references import proved, same_function, same_size


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_the_same_function_as_torchvisions(name: str) -> None:
    reference = torchvision.models.get_model(name)
    same_function(load_spec(name), reference, (64, 48), gradients=name == "resnet18")
    proved(load_spec(name), (33, 33))


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"])
def test_the_same_size_as_torchvisions(name: str) -> None:
    same_size(load_spec(name), lambda: torchvision.models.get_model(name))
