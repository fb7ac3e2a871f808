"""What all rows share: checked fields, and a tree of layers that they mean."""

from __future__ import annotations

import dataclasses
import functools
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from fuseablate.errors import InputError, unknown
from fuseablate.layers import Layer, Shape, as_map
from fuseablate.ops.fields import Rule, sides


@dataclass(frozen=True)
class Settings:
    """What a row's layers depend on beside its fields and its input: values of the spec."""

    classes: int
    dropout: float
    norm_eps: float = 1e-5
    norm_momentum: float = 0.1
    drop_path: float = 0.0
    """This row's own probability."""


@dataclass(frozen=True, kw_only=True)
class Fields:
    """Values with a rule each. A part has fields of its own, which go by `part.field`."""

    def __post_init__(self) -> None:
        for name, rule in self.own_rules().items():
            value = getattr(self, name)
            if value is not None:
                try:
                    checked = rule.check(value)
                except InputError as error:
                    raise error.within(name) from None
                # Another word for the same, or 1 for 1.0: the two are equal, and what is remembered
                # of a row must not depend on which of them came first.
                whole = isinstance(checked, float) and isinstance(value, int)
                if whole or (isinstance(value, str) and checked != value):
                    object.__setattr__(self, name, checked)

    @classmethod
    @functools.cache
    def own_rules(cls) -> Mapping[str, Rule]:
        """Return the rule of each field that belongs to no part, by its name."""
        fields = dataclasses.fields(cls)
        return {f.name: f.metadata["rule"] for f in fields if "rule" in f.metadata}

    @classmethod
    @functools.cache
    def parts(cls) -> Mapping[str, type[Fields]]:
        """Return the class of each part, by the part's name."""
        fields = dataclasses.fields(cls)
        return {f.name: f.metadata["part"] for f in fields if "part" in f.metadata}

    @classmethod
    @functools.cache
    def rules(cls) -> Mapping[str, Rule]:
        """Return the rule of each field, by its name, in the table's order."""
        rules: dict[str, Rule] = {}
        for field in dataclasses.fields(cls):
            if "rule" in field.metadata:
                rules[field.name] = field.metadata["rule"]
            elif "part" in field.metadata:
                inner = cls.parts()[field.name].rules()
                rules |= {f"{field.name}.{name}": rule for name, rule in inner.items()}
        return rules

    @classmethod
    @functools.cache
    def scaling(cls) -> tuple[str, ...]:
        """Return the names of the fields that a factor may scale, as it may channels."""
        return tuple(name for name, rule in cls.rules().items() if rule.scales)

    @classmethod
    @functools.cache
    def defaults(cls) -> Mapping[str, Any]:
        """Return the default of each field that has one."""
        fields = dataclasses.fields(cls)
        defaults = {
            f.name: f.default
            for f in fields
            if "rule" in f.metadata and f.default is not dataclasses.MISSING
        }
        for part, kind in cls.parts().items():
            defaults |= {f"{part}.{name}": value for name, value in kind.defaults().items()}
        return defaults

    @classmethod
    @functools.cache
    def _names(cls) -> tuple[str, ...]:
        """Return the names of all fields with a rule and of all parts, in the table's order."""
        fields = dataclasses.fields(cls)
        return tuple(f.name for f in fields if {"rule", "part"} & set(f.metadata))

    def values(self) -> dict[str, Any]:
        """Return the fields that have a value, by name, in the table's order."""
        own = self.__dict__  # of a frozen object: half of the time of `getattr`
        if not self.parts():
            return {name: own[name] for name in self._names() if own[name] is not None}
        values: dict[str, Any] = {}
        for name in self._names():
            value = own[name]
            if isinstance(value, Fields):
                values |= {f"{name}.{inner}": entry for inner, entry in value.values().items()}
            elif value is not None:
                values[name] = value
        return values

    def replaced(self, values: Mapping[str, Any]) -> Self:
        """Return a copy with other values of some fields; only those are checked."""
        copied = object.__new__(type(self))  # a third of the time of `copy.copy`
        copied.__dict__.update(self.__dict__)
        for name, value in values.items():
            part, _, inner = name.rpartition(".")
            if part:
                object.__setattr__(copied, part, getattr(copied, part).replaced({inner: value}))
                continue
            try:
                object.__setattr__(copied, name, self.rules()[name].check(value))
            except InputError as error:
                raise error.within(name) from None
        return copied

    @classmethod
    def arguments(cls, kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return what to make an object of; an error for a field that is unknown or lacking.

        kind: what the fields belong to, in words.
        """
        parts = cls.parts()
        flat: dict[str, Any] = {}
        for name, value in values.items():
            if name in parts and isinstance(value, Mapping):
                flat |= {f"{name}.{inner}": entry for inner, entry in value.items()}
            else:
                flat[name] = value
        for name in flat:
            if name not in cls.rules():
                raise unknown(f"field of {kind}", name, cls.rules())
        flat = {name: value for name, value in flat.items() if value is not None}  # JSON's null
        for name in cls.own_rules():
            if name not in flat and name not in cls.defaults():
                raise InputError(f"{kind} needs a value for '{name}'")
        if not parts:
            return flat
        own = {name: value for name, value in flat.items() if "." not in name}
        for name, part in parts.items():
            inner = {
                field.removeprefix(f"{name}."): value
                for field, value in flat.items()
                if field.startswith(f"{name}.")
            }
            if inner:
                try:
                    own[name] = part(**part.arguments(f"part '{name}'", inner))
                except InputError as error:
                    raise error.within(name) from None
        return own


def base_of(id: str) -> str:
    """Return the id of the table's row of which `id` is, or is a repeat: `5` for `5/2`."""
    return id.partition("/")[0]


@dataclass(frozen=True, kw_only=True)
class Row(Fields):
    """A row of a spec's table."""

    op: ClassVar[str]
    """Its name in TOML and in edits."""
    title: ClassVar[str]
    """Its name in the printed table."""
    short_title: ClassVar[str] = ""
    """Its name where the table is narrow."""
    repeats: ClassVar[bool] = False
    """Whether an edit of the depth may repeat such a row."""
    without: ClassVar[Mapping[str, str]] = {}
    """Why it lacks fields that other ops have."""
    kept: ClassVar[Mapping[str, object]] = {}
    """Values of fields that only an edit of the row by its id changes."""

    id: str

    @classmethod
    def depthwise_forms(cls, values: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
        """Return what gives a row of these `values` each form of its depthwise filters.

        By the form's name the values to set, `op` among them; empty where it has no such filter.
        """
        return {}

    @abstractmethod
    def layers(self, shape: Shape, settings: Settings) -> Layer:
        """Return the tree of layers that this row means for an input of `shape`.

        It is the same wherever the row stands: it does not depend on the id.
        """

    def kernel_text(self, shape: Shape) -> str:
        """Return the kernel as the table writes it, for an input of `shape`."""
        kernel = self.values().get("kernel")
        return "-" if kernel is None else "x".join(map(str, sides(kernel)))

    def channels_in(self, shape: Shape) -> int:
        """Return how many channels come in, or say that the op needs a map."""
        return as_map(shape, f"op '{self.op}'")[0]

    def __post_init__(self) -> None:
        try:
            super().__post_init__()
        except InputError as error:
            raise error.within(f"row {self.id}") from None

    def replaced(self, values: Mapping[str, Any]) -> Self:
        """Return a copy with other values of some fields; only those are checked."""
        try:
            return super().replaced(values)
        except InputError as error:
            raise error.within(f"row {self.id}") from None

    def at(self, id: str) -> Self:
        """Return the row as it is in another place of a table."""
        copied = self.replaced({})
        object.__setattr__(copied, "id", id)
        return copied

    def step(self, name: str, divisor: int) -> int:
        """Return what a scaled channel count of the field is a multiple of.

        It depends on no field that scales.
        """
        return divisor

    @property
    def base(self) -> str:
        """The id of the table's row that this is, or is a repeat of: `5` for row `5/2`."""
        return base_of(self.id)

    @property
    def name(self) -> str:
        """The id as a part of a parameter's name: `5_2` for row `5/2`."""
        return self.id.replace("/", "_")

    @classmethod
    def from_values(cls, id: str, values: Mapping[str, Any]) -> Self:
        """Return the row of these values; an error for a field that is unknown or lacking."""
        try:
            arguments = cls.arguments(f"op '{cls.op}'", values)
        except InputError as error:
            raise error.within(f"row {id}") from None
        return cls(id=id, **arguments)


@dataclass(frozen=True, kw_only=True)
class ByChannels(Row):
    """A row whose layers depend on the channels that come in, and not on the sides of the map.

    So one tree serves at inputs of all sizes.
    """

    @abstractmethod
    def tree(self, cin: int, settings: Settings) -> Layer:
        """Return the tree of layers that this row means where `cin` channels come in."""

    def layers(self, shape: Shape, settings: Settings) -> Layer:
        return self.tree(self.channels_in(shape), settings)
