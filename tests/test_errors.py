"""The one line that a user reads about a name that there is not."""

from __future__ import annotations

import pytest

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
