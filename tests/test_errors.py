"""The one line about a name that there is not, or about an argument of another kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fuseablate
from fuseablate.errors import InputError, UnreadableError, unknown

MANY = [f"net{at:03}" for at in range(25)]  # one more than are all named


@pytest.mark.parametrize(
    ("value", "choices", "message"),
    [
        ("adm", ["sgd", "adam"], "'adm'; did you mean 'adam'? (choices: sgd, adam)"),
        ("x", ["sgd", "adam"], "'x' (choices: sgd, adam)"),
        (3, ["3x3", "5x5"], "'3'; did you mean '3x3'? (choices: 3x3, 5x5)"),
        ("zzz", MANY[:24], f"'zzz' (choices: {', '.join(MANY[:24])})"),
        ("zzz", MANY, "'zzz' (none is near it, of 25)"),
        (
            "fusent",
            [*MANY, "fusenet"],
            "'fusent'; did you mean 'fusenet'? (the nearest: fusenet, of",
        ),
    ],
)
def test_an_unknown_name_is_told_the_nearest_and_all_but_of_a_long_list(
    value: object, choices: list[str], message: str
) -> None:
    said = str(unknown("thing", value, iter(choices)))
    assert said.startswith(f"unknown thing {message}")


def test_of_a_long_list_the_five_nearest_are_named() -> None:
    said = str(unknown("net", "net007", [*MANY[:7], *MANY[8:], "other"]))
    nearest = said.partition("(the nearest: ")[2].removesuffix(", of 25)").split(", ")
    assert len(nearest) == 5
    assert all(name.startswith("net0") for name in nearest)


def test_an_error_within_a_place_is_of_the_same_kind() -> None:
    error = UnreadableError("line 3: bad").within("file.toml")
    assert type(error) is UnreadableError
    assert isinstance(error, InputError)
    assert str(error) == "file.toml: line 3: bad"


f: Any = fuseablate  # which is called with what its types forbid
SPEC, RECIPE = f.load_spec("fusenet"), f.load_recipe("standard")
D = {"a": 1}
SPEC_RULE = "must be a Spec, such as load_spec"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: f.measure("resnet18"), f"spec = 'resnet18': {SPEC_RULE}('resnet18')"),
        (lambda: f.measure(None), f"spec = None: {SPEC_RULE}('fusenet')"),
        (lambda: f.build("fusenet"), f"spec = 'fusenet': {SPEC_RULE}('fusenet')"),
        (lambda: f.build(D), f"spec = {{'a': 1}}: {SPEC_RULE}('fusenet')"),
        (lambda: f.verify(Path("x.toml")), f"spec = {Path('x.toml')!r}: {SPEC_RULE}('x.toml')"),
        (lambda: f.rescaled("fusenet", "macs", 1e6), f"spec = 'fusenet': {SPEC_RULE}('fusenet')"),
        (lambda: f.diff(SPEC, "resnet18"), f"after = 'resnet18': {SPEC_RULE}('resnet18')"),
        (lambda: f.diff([], SPEC), f"before = []: {SPEC_RULE}('fusenet')"),
        (lambda: f.explore("fusenet", "search"), f"spec = 'fusenet': {SPEC_RULE}('fusenet')"),
        (lambda: f.explore(SPEC, None), "study = None: must be a name or a path"),
        (lambda: train(spec="fusenet"), f"spec = 'fusenet': {SPEC_RULE}('fusenet')"),
        (
            lambda: train(recipe="quick"),
            "recipe = 'quick': must be a Recipe, such as load_recipe('quick')",
        ),
        (
            lambda: train(recipe=RECIPE),
            "data = 'cifar10': must be a Data, such as load_data('cifar10')",
        ),
        (
            lambda: f.compare(None),
            "results = None: must be records, rows or the path of a CSV file",
        ),
        (lambda: f.load_spec(D), "spec = {'a': 1}: must be a name or a path"),
        (lambda: f.load_recipe(None), "recipe = None: must be a name or a path"),
        (lambda: f.load_data([]), "data set = []: must be a name or a path"),
        (lambda: f.load_study(D), "study = {'a': 1}: must be a name or a path"),
        (lambda: f.plan_study(None), "study = None: must be a name or a path"),
        (lambda: f.run_study([]), "study = []: must be a name or a path"),
        (lambda: f.load_result(None), "study = None: must be a name or a path"),
        (
            lambda: f.load_result("se", "runs"),
            "store = 'runs': must be a Store, such as Store('runs')",
        ),
        (lambda: f.load_weights(None), "weights = None: must be a name or a path"),
        (lambda: f.load_plugin(D), "plug-in = {'a': 1}: must be a name or a path"),
        (lambda: f.Store(None), "store = None: must be a name or a path"),
    ],
)
def test_an_argument_of_another_kind_is_one_line(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError) as error:
        call()
    assert str(error.value) == message


def train(**wrong: Any) -> object:
    arguments: dict[str, Any] = {"spec": SPEC, "data": "cifar10", "store": None, **wrong}
    return f.train(**{"recipe": "standard", "seed": 0, **arguments})
