"""What all rows share: checked cells, and a tree of layers that they mean."""

from __future__ import annotations

import dataclasses
import functools
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from fuseablate.errors import InputError, unknown
from fuseablate.layers import (
    Act,
    Conv,
    Flatten,
    Gate,
    GlobalPool,
    Layer,
    Linear,
    Norm,
    Shape,
    named,
    seq,
)
from fuseablate.ops.cells import Choice, Rule

NON_LINEARITIES = (
    "relu", "relu6", "hswish", "swish", "gelu", "mish", "leaky_relu", "elu", "identity",
)  # fmt: skip
NL = Choice(NON_LINEARITIES)
NORM = Choice(("batch", "none"))


@dataclass(frozen=True)
class Settings:
    """The spec-level values that a row's layers may depend on."""

    classes: int
    dropout: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a spec's table.

    `op` is the name in TOML and in edits, `title` the one in the printed table (`short_title`
    where that is narrow); `repeats` says whether a depth edit may repeat such a row.
    """

    op: ClassVar[str]
    title: ClassVar[str]
    short_title: ClassVar[str] = ""
    repeats: ClassVar[bool] = False

    id: str

    @abstractmethod
    def layers(self, shape: Shape, settings: Settings) -> Layer:
        """Return the tree of layers that this row means for an input of `shape`."""

    @abstractmethod
    def kernel_text(self, shape: Shape) -> str:
        """Return the kernel as the table writes it, for an input of `shape`."""
        ...

    def __post_init__(self) -> None:
        """Check each cell that is there against its rule."""
        for name, rule in self.rules().items():
            value = getattr(self, name)
            if value is not None:
                try:
                    rule.check(value)
                except InputError as error:
                    raise error.within(f"row {self.id}: {name}") from None

    @property
    def name(self) -> str:
        """The id as a part of a parameter's name: `5_2` for row `5/2`."""
        return self.id.replace("/", "_")

    @classmethod
    @functools.cache
    def rules(cls) -> Mapping[str, Rule]:
        """Return the rule of each cell, by the cell's name, in the table's order."""
        return {f.name: f.metadata["rule"] for f in dataclasses.fields(cls) if "rule" in f.metadata}

    @classmethod
    def from_cells(cls, id: str, cells: Mapping[str, Any]) -> Self:
        """Return the row of these cells; an error for one that is unknown or lacking."""
        for name in cells:
            if name not in cls.rules():
                raise unknown(f"field of op '{cls.op}'", name, cls.rules()).within(f"row {id}")
        needed = [
            f.name
            for f in dataclasses.fields(cls)
            if f.default is dataclasses.MISSING and f.name != "id" and cells.get(f.name) is None
        ]
        if needed:
            raise InputError(f"row {id}: op '{cls.op}' needs a value for '{needed[0]}'")
        return cls(id=id, **cells)

    @classmethod
    @functools.cache
    def defaults(cls) -> dict[str, Any]:
        """Return the default of each cell that has one."""
        has = dataclasses.MISSING
        return {f.name: f.default for f in dataclasses.fields(cls) if f.default is not has}

    def cells(self) -> dict[str, Any]:
        """Return the cells that are there, by name."""
        values = {name: getattr(self, name) for name in self.rules()}
        return {name: value for name, value in values.items() if value is not None}


def same_padding(kernel: tuple[int, int]) -> tuple[int, int]:
    """Return the padding of the source's note 7: `(R - 1) // 2, (S - 1) // 2`."""
    return (kernel[0] - 1) // 2, (kernel[1] - 1) // 2


def check_kernel(kernel: int, stride: int) -> None:
    """Refuse an even kernel where the map must keep its size."""
    if kernel % 2 == 0 and stride == 1:
        raise InputError(
            f"kernel {kernel} is even, and with stride 1 the map must keep its size; "
            f"use {kernel - 1} or {kernel + 1}"
        )


def conv_norm(conv: Conv, norm: str | None, nl: str | None = None) -> Layer:
    """Return a convolution with its norm and non-linearity, where it has them."""
    return seq(conv=conv, norm=norm_layer(norm, conv.cout), act=act_layer(nl))


def norm_layer(norm: str | None, channels: int) -> Layer | None:
    """Return the norm that the cell names, or None."""
    return Norm(channels) if norm == "batch" else None


def act_layer(nl: str | None) -> Layer | None:
    """Return the non-linearity that the cell names, or None."""
    return None if nl in (None, "identity") else Act(str(nl))


def squeeze_excite(channels: int, reduction: int) -> Layer:
    """Return the source's SEModule: pool, linear, ReLU, linear, H-Sigmoid, times the input."""
    squeezed = channels // reduction
    if squeezed < 1:
        raise InputError(
            f"SE with reduction {reduction} squeezes {channels} channels to none; "
            f"use a reduction of at most {channels}"
        )
    return Gate(
        named(
            pool=GlobalPool(),
            flatten=Flatten(),
            fc1=Linear(channels, squeezed),
            act=Act("relu"),
            fc2=Linear(squeezed, channels),
            gate=Act("hsigmoid"),
        )
    )
