"""What the fields of a study file may hold: names, seeds, amounts, texts. Without torch."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

Value = bool | int | float | str
"""What a parameter of a search may be set to."""

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}


def fit_name(name: str) -> str:
    """Return a name that file systems and W&B take as it is, or raise `ValueError`."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,39}", name):
        raise ValueError(
            "a name is 1 to 40 letters, digits and '.', '_', '+' or '-', and begins with a "
            "letter or a digit; it becomes part of file names and of labels in W&B"
        )
    return name


def amount(value: object) -> object:
    """Return the number that `4_200_000` or "4.2M" writes, or "baseline"; or raise `ValueError`."""
    if value == "baseline" or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    match = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]+)?)([kMG]?)", str(value))
    if not isinstance(value, str) or not match:
        raise ValueError('must be a whole number, a text such as "4.2M" (k, M or G), or "baseline"')
    amount = Decimal(match[1]) * _UNITS[match[2]]
    if amount != int(amount):
        raise ValueError("must come to a whole number")
    return int(amount)


def scalar(value: object) -> object:
    """Return a value that is no list and no table, or raise `ValueError`."""
    if isinstance(value, bool | int | float | str):
        return value
    raise ValueError(f"{value} must be a number, a text, true or false")


def _distinct(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(seeds)) < len(seeds):
        raise ValueError("names a seed twice; write each once, such as [0, 1, 2]")
    return seeds


Scalar = Annotated[Value, BeforeValidator(scalar)]
Name = Annotated[str, AfterValidator(fit_name)]
Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[tuple[Text, ...], Field(strict=False)]
Seeds = Annotated[
    tuple[Annotated[int, Field(ge=0)], ...],
    Field(strict=False, min_length=1),
    AfterValidator(_distinct),
]
_Written = Annotated[
    str,
    Field(pattern=r"^([0-9]{1,12}(\.[0-9]+)?[kMG]?|baseline)$", examples=["4.2M", "baseline"]),
]
_Number = Annotated[int, Field(ge=1)]
Amount = Annotated[
    _Number | Literal["baseline"],
    BeforeValidator(amount, json_schema_input_type=_Number | _Written),
]
"""A number of a cost, such as MACs: `4_200_000`, `"4.2M"`, or what the baseline has."""
