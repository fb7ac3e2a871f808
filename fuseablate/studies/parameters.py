"""The parameters of a search, as a study file writes them. Without torch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from fuseablate.checked import Table
from fuseablate.studies.fields import Name, Scalar, Text, Texts, Value, fit_name, scalar


class _Parameter(Table):
    """What all kinds share.

    `when` names the values of other parameters under which this one exists. `each` selects
    rows: the parameter then stands for one of its kind for each of them, `<name>.<row>`, and
    `{row}` in its edits and in the names of `when` is the row's id.
    """

    name: Name
    when: Mapping[str, Scalar] = {}
    each: Text | None = None

    @model_validator(mode="after")
    def _rows_are_named(self) -> Self:
        named = all("{row}" in template for template in self.templates())
        if self.each and not named:
            raise ValueError("edit: with 'each' it must name the row, as in \"{row}.kernel={}\"")
        return self

    @abstractmethod
    def templates(self) -> tuple[str, ...]:
        """Return all edits that the parameter may make, as written."""

    def for_row(self, name: str, id: str) -> Self:
        """Return the parameter of one of the rows of `each`."""

        def put(value: object) -> object:
            if isinstance(value, str):
                return value.replace("{row}", id)
            if isinstance(value, Mapping):
                return {put(key): put(entry) for key, entry in value.items()}
            return tuple(map(put, value)) if isinstance(value, tuple | list) else value

        fields = {key: put(value) for key, value in self.model_dump().items()}
        return self.replace(**{**fields, "name": f"{self.name}.{name}", "each": None})


class _Templated(_Parameter):
    """A parameter whose values are put into one edit, for `{}`."""

    edit: Text

    @model_validator(mode="after")
    def _value_has_a_place(self) -> Self:
        _check_template(self.edit)
        return self

    def templates(self) -> tuple[str, ...]:
        """Return the one edit."""
        return (self.edit,)

    def edits(self, value: Value) -> tuple[str, ...]:
        """Return the edit that `value` means."""
        return (self.edit.replace("{}", as_text(value)),)


class IntRange(_Templated):
    """A whole number from `low` to `high`, in steps, or drawn from a logarithmic scale."""

    kind: Literal["int"]
    low: int
    high: int
    step: Annotated[int, Field(ge=1)] = 1
    log: bool = False

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        _check_range(self.low, self.high, self.log, self.step != 1)
        return self

    def values(self) -> Sequence[Value]:
        """Return all values."""
        return range(self.low, self.high + 1, self.step)

    def samples(self) -> Sequence[Value]:
        """Return the values that are tried before the search begins: the two ends."""
        return (self.values()[0], self.values()[-1])


class FloatRange(_Templated):
    """A number from `low` to `high`: in steps, or continuous. Edits write four decimals."""

    kind: Literal["float"]
    low: float
    high: float
    step: Annotated[float, Field(gt=0)] | None = None
    log: bool = False

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        _check_range(self.low, self.high, self.log, self.step is not None)
        return self

    def values(self) -> Sequence[Value] | None:
        """Return all values, or None for a continuous range."""
        if self.step is None:
            return None
        count = int((self.high - self.low) / self.step + 1e-9) + 1
        return [round(self.low + place * self.step, 10) for place in range(count)]

    def samples(self) -> Sequence[Value]:
        """Return the values that are tried before the search begins: the two ends."""
        return (self.low, self.high)


def _listed(choices: object) -> object:
    """Say what is wrong with choices; pydantic would speak of the first of the two forms."""
    if isinstance(choices, Mapping):
        for name, edits in choices.items():
            fit_name(name)
            if not isinstance(edits, list | tuple) or not all(isinstance(e, str) for e in edits):
                raise ValueError(
                    f"'{name}' must be a list of edits, such as [\"fuse.op=mbconv\"], "
                    "or [] for the baseline"
                )
    elif isinstance(choices, list | tuple):
        for value in choices:
            scalar(value)
    else:
        raise ValueError("must be a list of values for 'edit', or a table of lists of edits")
    return choices


class Categorical(_Parameter):
    """One of some choices: values for the one `edit`, or a table of names, each with its edits."""

    kind: Literal["categorical"]
    choices: Annotated[
        Annotated[tuple[Value, ...], Field(strict=False)] | Mapping[Name, Texts],
        BeforeValidator(_listed),
    ]
    edit: Text | None = None

    @model_validator(mode="after")
    def _choices_mean_edits(self) -> Self:
        if isinstance(self.choices, Mapping):
            if self.edit is not None:
                raise ValueError("edit: the choices of a table have their own edits; leave it out")
        elif self.edit is None:
            raise ValueError('edit: missing; it says what a value does, as in "5-12.kernel={}"')
        else:
            _check_template(self.edit)
        texts = [as_text(value) for value in self.values()]
        if len(set(texts)) < max(2, len(texts)):
            has = ", ".join(texts) or "none"
            raise ValueError(f"choices: needs two or more that differ, and has {has}")
        return self

    def templates(self) -> tuple[str, ...]:
        """Return the edits of all choices."""
        if isinstance(self.choices, Mapping):
            return tuple(edit for edits in self.choices.values() for edit in edits)
        return (str(self.edit),)

    def values(self) -> Sequence[Value]:
        """Return all values; those of a table are its names."""
        return tuple(self.choices)

    samples = values

    def edits(self, value: Value) -> tuple[str, ...]:
        """Return the edits that `value` means."""
        if isinstance(self.choices, Mapping):
            return self.choices[str(value)]
        return (str(self.edit).replace("{}", as_text(value)),)


Parameter = Annotated[Categorical | IntRange | FloatRange, Field(discriminator="kind")]


def as_text(value: Value) -> str:
    """Return a value as edits write it; a float has four decimals at most."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _check_template(edit: str) -> None:
    if edit.count("{}") != 1:
        raise ValueError(f"edit = \"{edit}\": must hold '{{}}' once, where the value goes")


def _check_range(low: float, high: float, log: bool, stepped: bool) -> None:
    if low >= high:
        raise ValueError(f"low = {low}: must be less than high = {high}")
    if log and low <= 0:
        raise ValueError(f"low = {low}: must be more than 0 on a logarithmic scale")
    if log and stepped:
        raise ValueError("step: a logarithmic scale has none; leave out step or log")
