"""The parameters of a search, as a study file writes them. Without torch."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from fuseablate.errors import unknown
from fuseablate.io.checked import Schema, under
from fuseablate.recipes import Recipe
from fuseablate.space.fields import Name, Scalar, Text, Texts, Value, fit_name, scalar

RECIPE = [key for key in Recipe.model_fields if key not in ("name", "title")]


class _Parameter(Schema):
    """What all kinds share."""

    name: Name
    """What the report calls it; unique in its search."""
    when: Mapping[str, Scalar] = {}
    """The values of other parameters under which this one exists."""
    each: Text | None = None
    """Selects rows. The parameter then stands for one of its kind for each of them, `<name>.<row>`,
    and `{row}` in its edits and in the names of `when` is the row's id."""
    recipe: Text | None = None
    """The field of the recipe that a value is put into, where it is not put into an edit."""

    @model_validator(mode="after")
    def _recipe_has_the_field(self) -> Self:
        if self.recipe is not None and self.recipe not in RECIPE:
            raise unknown("field", self.recipe, RECIPE).within("recipe")
        if self.recipe_fields and self.each:
            raise ValueError("each: a recipe has no rows; leave it out")
        return self

    @model_validator(mode="after")
    def _rows_are_named(self) -> Self:
        named = all("{row}" in template for template in self.templates())
        if self.each and not named:
            raise ValueError("edit: with 'each' it must name the row, as in \"{row}.kernel={}\"")
        return self

    @model_serializer(mode="wrap")
    def _as_before(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Fields of the recipe came later than the first searches, which are named by their tables.
        table: dict[str, Any] = dump(self)
        if self.recipe is None:
            del table["recipe"]
        return table

    @property
    def recipe_fields(self) -> frozenset[str]:
        """The fields of the recipe that its values change."""
        return frozenset() if self.recipe is None else frozenset({self.recipe})

    @abstractmethod
    def values(self) -> Sequence[Value] | None:
        """Return all values, or None for a continuous range."""

    @abstractmethod
    def templates(self) -> tuple[str, ...]:
        """Return all edits that the parameter may make, as written; none of a recipe's field."""

    def edits(self, value: Value) -> tuple[str, ...]:
        """Return the edits that `value` means."""
        return tuple(template.replace("{}", as_text(value)) for template in self.templates())

    def changes(self, value: Value) -> dict[str, Any]:
        """Return what `value` changes of the recipe; a float has four significant digits."""
        if self.recipe is None:
            return {}
        return {self.recipe: float(self.text(value)) if isinstance(value, float) else value}

    def text(self, value: Value) -> str:
        """Return a value as the report shows it."""
        in_recipe = self.recipe is not None and isinstance(value, float)
        return f"{value:.4g}" if in_recipe else as_text(value)

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


class _Range(_Parameter):
    """A parameter whose values are put into one edit, for `{}`, or into one field of the recipe."""

    edit: Text | None = None
    """The edit that a value is put into, for `{}`, as in `fuse.kernel={}`."""

    @model_validator(mode="after")
    def _value_has_a_place(self) -> Self:
        _check_place(self.edit, self.recipe)
        return self

    def templates(self) -> tuple[str, ...]:
        return () if self.edit is None else (self.edit,)


class IntRange(_Range):
    """A whole number from `low` to `high`, in steps, or drawn from a logarithmic scale."""

    kind: Literal["int"]
    """A range of whole numbers."""
    low: int
    """The least value."""
    high: int
    """The largest value."""
    step: Annotated[int, Field(ge=1)] = 1
    """The distance of two values."""
    log: bool = False
    """Whether values are drawn evenly on a logarithmic scale."""

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        _check_range(self.low, self.high, self.log, self.step != 1)
        return self

    def values(self) -> Sequence[Value]:
        return range(self.low, self.high + 1, self.step)

    def samples(self) -> Sequence[Value]:
        """Return the values that are tried before the search begins: the two ends."""
        return (self.values()[0], self.values()[-1])


class FloatRange(_Range):
    """A number from `low` to `high`: in steps, or continuous. Edits write four decimals."""

    kind: Literal["float"]
    """A range of numbers."""
    low: float
    """The least value."""
    high: float
    """The largest value."""
    step: Annotated[float, Field(gt=0)] | None = None
    """The distance of two values; without it the range is continuous."""
    log: bool = False
    """Whether values are drawn evenly on a logarithmic scale."""

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        _check_range(self.low, self.high, self.log, self.step is not None)
        return self

    def values(self) -> Sequence[Value] | None:
        """Return all values, or None for a continuous range."""
        if self.step is None:
            return None
        # Decimals as they are written, as Optuna reads them: sums of floats are not exact.
        low, high, step = (Decimal(str(number)) for number in (self.low, self.high, self.step))
        return [float(low + place * step) for place in range(int((high - low) // step) + 1)]

    def samples(self) -> Sequence[Value]:
        """Return the values that are tried before the search begins: the two ends."""
        values = self.values()
        return (values[0], values[-1]) if values else (self.low, self.high)


class Changes(Schema):
    """What the name of a choice stands for."""

    edits: Texts = ()
    """Edits of the table, `ROWS.FIELD=VALUE`, all made at once."""
    recipe: Mapping[str, Any] = {}
    """Fields of the recipe that it changes, such as `{ lr = 0.1 }`."""

    @model_validator(mode="after")
    def _recipe_has_the_fields(self) -> Self:
        for name in self.recipe:
            if name not in RECIPE:
                raise unknown("field", name, RECIPE).within("recipe")
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, dump: SerializerFunctionWrapHandler) -> object:
        return dump(self) if self.recipe else self.edits


def _listed(choices: object) -> object:
    """Say what is wrong with choices; pydantic would speak of the first of the two forms."""
    if isinstance(choices, Mapping):
        for name, choice in choices.items():
            fit_name(name)
            listed = isinstance(choice, list | tuple) and all(isinstance(e, str) for e in choice)
            if not listed and not isinstance(choice, Mapping | Changes):
                raise ValueError(
                    f"'{name}' must be a list of edits, such as [\"fuse.op=mbconv\"], [] for the "
                    "baseline, or a table such as { recipe = { lr = 0.1 } }"
                )
    elif isinstance(choices, list | tuple):
        for value in choices:
            scalar(value)
    else:
        raise ValueError("must be a list of values for 'edit', or a table of lists of edits")
    return choices


_Choice = Annotated[
    Changes, BeforeValidator(under("edits", list, tuple), json_schema_input_type=Texts | Changes)
]


class Categorical(_Parameter):
    """One of some choices: values for one `edit` or field, or a table of what each name means."""

    kind: Literal["categorical"]
    """One of several choices."""
    choices: Annotated[
        Mapping[Name, _Choice] | Annotated[tuple[Value, ...], Field(strict=False)],
        BeforeValidator(_listed),
    ]
    """Values for `edit` or `recipe`, or a table of names, each with its list of edits or, where it
    changes the recipe, a table such as `{ recipe = { lr = 0.1 } }`."""
    edit: Text | None = None
    """The edit that a value is put into, for `{}`, as in `fuse.kernel={}`."""

    @model_validator(mode="after")
    def _choices_mean_edits(self) -> Self:
        if isinstance(self.choices, Mapping):
            for key in ("edit", "recipe"):
                if getattr(self, key) is not None:
                    raise ValueError(
                        f"{key}: the choices of a table have their own edits; leave it out"
                    )
        else:
            _check_place(self.edit, self.recipe)
        texts = [self.text(value) for value in self.values()]
        if len(set(texts)) < max(2, len(texts)):
            has = ", ".join(texts) or "none"
            raise ValueError(f"choices: needs two or more that differ, and has {has}")
        return self

    @property
    def recipe_fields(self) -> frozenset[str]:
        """The fields of the recipe that its choices change."""
        if isinstance(self.choices, Mapping):
            return frozenset(name for value in self.choices for name in self.changes(value))
        return super().recipe_fields

    def templates(self) -> tuple[str, ...]:
        """Return the edits of all choices."""
        if isinstance(self.choices, Mapping):
            return tuple(edit for value in self.choices for edit in self.edits(value))
        return () if self.edit is None else (self.edit,)

    def values(self) -> Sequence[Value]:
        """Return all values; those of a table are its names."""
        return tuple(self.choices)

    samples = values

    def edits(self, value: Value) -> tuple[str, ...]:
        if isinstance(self.choices, Mapping):
            return self.choices[str(value)].edits
        return super().edits(value)

    def changes(self, value: Value) -> dict[str, Any]:
        if isinstance(self.choices, Mapping):
            return dict(self.choices[str(value)].recipe)
        return super().changes(value)


Parameter = Annotated[Categorical | IntRange | FloatRange, Field(discriminator="kind")]


def value_at(parameter: Parameter, values: Sequence[Value] | None, share: float) -> Value:
    """Return what lies at a share, from 0 to below 1, of a parameter's `values` or on its scale."""
    if isinstance(parameter, Categorical) or (values is not None and not parameter.log):
        assert values is not None
        return values[int(share * len(values))]
    low, high = parameter.low, parameter.high
    if isinstance(parameter, IntRange):
        # Each whole number stands for all that round to it.
        value = math.exp(_between(math.log(low - 0.5), math.log(high + 0.5), share))
        return min(max(round(value), parameter.low), parameter.high)
    if parameter.log:
        return min(max(math.exp(_between(math.log(low), math.log(high), share)), low), high)
    return _between(low, high, share)


def _between(low: float, high: float, share: float) -> float:
    return low + (high - low) * share


def as_text(value: Value) -> str:
    """Return a value as edits write it; a float has four decimals at most."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _check_place(edit: str | None, recipe: str | None) -> None:
    if edit is None and recipe is None:
        raise ValueError(
            'edit: missing; it says what a value does, as in "5-12.kernel={}"; recipe = "lr" may '
            "stand in its place"
        )
    if edit is not None and recipe is not None:
        raise ValueError("recipe: there is an edit already; keep one of them")
    if edit is not None and edit.count("{}") != 1:
        raise ValueError(f"edit = \"{edit}\": must hold '{{}}' once, where the value goes")


def _check_range(low: float, high: float, log: bool, stepped: bool) -> None:
    if low >= high:
        raise ValueError(f"low = {low}: must be less than high = {high}")
    if log and low <= 0:
        raise ValueError(f"low = {low}: must be more than 0 on a logarithmic scale")
    if log and stepped:
        raise ValueError("step: a logarithmic scale has none; leave out step or log")
