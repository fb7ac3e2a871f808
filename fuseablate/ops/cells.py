"""The cells of a row: what values each takes, how it is read from text, and whether it scales."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from fuseablate.errors import InputError, unknown

Value = int | float | bool | str


class Rule(Protocol):
    """What a cell may hold."""

    @property
    def scales(self) -> bool:
        """Whether an edit may scale the cell, as channels are."""
        ...

    def check(self, value: object) -> Value:
        """Return the value, or raise an `InputError` that says the rule."""
        ...

    def read(self, text: str) -> Value:
        """Return the value that `text` writes, or raise an `InputError`."""
        ...


@dataclass(frozen=True)
class Whole:
    """A whole number from `least` to `most`; channel counts may be scaled by an edit (`x0.5`)."""

    least: int = 1
    scales: bool = False
    most: int = 1_000_000

    def check(self, value: object) -> int:
        """Return the number, or say that it is none, or too small."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise InputError(f"{value!r} is not a whole number, such as {max(self.least, 1)}")
        if value < self.least:
            raise InputError(f"{value} is too small; it must be at least {self.least}")
        if value > self.most:
            raise InputError(f"{value} is too large; it must be at most {self.most}")
        return value

    def read(self, text: str) -> int:
        """Return the number that `text` writes."""
        try:
            number = int(text)
        except ValueError:
            raise InputError(f"'{text}' is not a whole number, such as 24") from None
        return self.check(number)


@dataclass(frozen=True)
class Fraction:
    """A number from 0 up to, but not including, 1: a probability."""

    scales: bool = False

    def check(self, value: object) -> float:
        """Return the number, or say that it is none, or out of range."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"{value!r} is not a number, such as 0.2")
        if not 0 <= value < 1:
            raise InputError(f"{value} is out of range; it must be at least 0 and less than 1")
        return float(value)

    def read(self, text: str) -> float:
        """Return the number that `text` writes."""
        try:
            number = float(text)
        except ValueError:
            raise InputError(f"'{text}' is not a number, such as 0.2") from None
        return self.check(number)


@dataclass(frozen=True)
class Real:
    """A number from `least` to `most`."""

    least: float
    most: float
    scales: bool = False

    def check(self, value: object) -> float:
        """Return the number, or say that it is none, or out of range."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"{value!r} is not a number, such as {self.most}")
        if not self.least <= value <= self.most:
            raise InputError(f"{value} is out of range; it must be {self.least} to {self.most}")
        return float(value)

    def read(self, text: str) -> float:
        """Return the number that `text` writes."""
        try:
            number = float(text)
        except ValueError:
            raise InputError(f"'{text}' is not a number, such as {self.most}") from None
        return self.check(number)


@dataclass(frozen=True)
class Kernel:
    """A kernel: a whole number for a square one, or height by width, such as `1x7`."""

    scales: bool = False

    def check(self, value: object) -> int | str:
        """Return the kernel, or say how one is written."""
        if isinstance(value, str):
            if not re.fullmatch(r"[1-9][0-9]?x[1-9][0-9]?", value):
                raise InputError(f"'{value}' is not a kernel; write 3 or, height first, 1x7")
            return value
        return Whole(most=99).check(value)

    def read(self, text: str) -> int | str:
        """Return the kernel that `text` writes."""
        return self.check(int(text) if re.fullmatch(r"[0-9]{1,9}", text) else text)


def sides(kernel: int | str) -> tuple[int, int]:
    """Return a kernel's (height, width)."""
    if isinstance(kernel, int):
        return kernel, kernel
    high, _, wide = kernel.partition("x")
    return int(high), int(wide)


@dataclass(frozen=True)
class Padding:
    """Zeros around a map: `same` keeps its size, `valid` adds none, a number adds so many."""

    scales: bool = False

    def check(self, value: object) -> int | str:
        """Return the padding, or name the choices."""
        if isinstance(value, str):
            return Choice(("same", "valid")).check(value)
        return Whole(least=0, most=99).check(value)

    def read(self, text: str) -> int | str:
        """Return the padding that `text` writes."""
        return self.check(int(text) if re.fullmatch(r"[0-9]{1,9}", text) else text)


@dataclass(frozen=True)
class Listed:
    """One value for each of several convolutions in turn, with commas between: `96,128`.

    A list of one is the value itself. Channels scale each for itself.
    """

    rule: Whole | Kernel

    @property
    def scales(self) -> bool:
        """Whether the values are channels."""
        return self.rule.scales

    def check(self, value: object) -> int | str:
        """Return the values, or say what is wrong with the first wrong one."""
        if isinstance(value, str):
            return self.read(value)
        return self.rule.check(value)

    def read(self, text: str) -> int | str:
        """Return the values that `text` writes."""
        values = [self.rule.read(part) for part in text.split(",")]
        return values[0] if len(values) == 1 else ",".join(map(str, values))


def listed(value: int | str) -> list[int | str]:
    """Return the values of a `Listed` cell."""
    parts = str(value).split(",")
    return [int(part) if part.isdigit() else part for part in parts]


def chain(kernel: int | str, out: int | str) -> list[tuple[int | str, int]]:
    """Return each convolution of a chain in turn: its kernel and its channels.

    One `out` stands for all. With fewer kernels than `out` the first convolutions are 1x1: they
    reduce the channels for those behind them. Raise `InputError` for more kernels than `out`.
    """
    kernels, outs = listed(kernel), [int(one) for one in listed(out)]
    if len(outs) == 1:
        outs *= len(kernels)
    if len(kernels) > len(outs):
        raise InputError(
            f"kernel={kernel} are {len(kernels)} convolutions, and out={out} are the channels of "
            f"{len(outs)}; write one number for each, or one for all"
        )
    return list(zip([*[1] * (len(outs) - len(kernels)), *kernels], outs, strict=True))


def scaled(channels: float, divisor: int) -> int:
    """Return `channels` rounded to the divisor, never below it, nor under 0.9 of `channels`.

    This is the rule of the MobileNet family (`make_divisible` in the published code).
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def each(value: Any, change: Callable[[int], int]) -> Any:
    """Return a cell of channels, one number or several, with each changed."""
    if isinstance(value, int):
        return change(value)
    return ",".join(str(change(int(part))) for part in value.split(","))


@dataclass(frozen=True)
class Flag:
    """Yes or no."""

    scales: bool = False

    def check(self, value: object) -> bool:
        """Return the flag, or say that it is none."""
        if not isinstance(value, bool):
            raise InputError(f"{value!r} is not true or false")
        return value

    def read(self, text: str) -> bool:
        """Return the flag that `text` writes: `true` or `false`."""
        if text not in ("true", "false"):
            raise InputError(f"'{text}' is not true or false")
        return text == "true"


@dataclass(frozen=True)
class Choice:
    """One word of a closed set."""

    words: tuple[str, ...]
    scales: bool = False

    def check(self, value: object) -> str:
        """Return the word, or name the nearest one."""
        if not isinstance(value, str) or value not in self.words:
            raise unknown("value", value, self.words)
        return value

    def read(self, text: str) -> str:
        """Return the word."""
        return self.check(text)


@dataclass(frozen=True)
class ChannelsOut:
    """Channels that a row puts out: a whole number, or `classes`, which follows the spec."""

    scales: bool = True

    def check(self, value: object) -> int | str:
        """Return the number or the word `classes`."""
        return "classes" if value == "classes" else Whole().check(value)

    def read(self, text: str) -> int | str:
        """Return the number or the word that `text` writes."""
        return "classes" if text == "classes" else Whole().read(text)


@dataclass(frozen=True)
class Inner:
    """The width inside a block: a whole number, or `in`, which follows the block's input."""

    scales: bool = True

    def check(self, value: object) -> int | str:
        """Return the number or the word `in`."""
        return "in" if value == "in" else Whole().check(value)

    def read(self, text: str) -> int | str:
        """Return the number or the word that `text` writes."""
        return "in" if text == "in" else Whole().read(text)


@dataclass(frozen=True)
class Expanded:
    """The width inside a block: a whole number, or `6in` for six times what comes in."""

    scales: bool = True

    def check(self, value: object) -> int | str:
        """Return the number, or how many times the block's input."""
        if isinstance(value, str) and re.fullmatch(r"([1-9][0-9]?)?in", value):
            return value
        return Whole().check(value)

    def read(self, text: str) -> int | str:
        """Return the number, or how many times the block's input, that `text` writes."""
        return self.check(text) if text.endswith("in") else Whole().read(text)


def width_of(value: int | str, cin: int) -> int:
    """Return the channels that an `Expanded` cell means in a block of `cin` input channels."""
    if isinstance(value, int):
        return value
    return int(value.removesuffix("in") or 1) * cin


def follows(value: object) -> bool:
    """Whether a cell of channels follows the block's input, so that it has no number to scale."""
    return isinstance(value, str) and value.endswith("in")


def cell(rule: Rule, default: Any = dataclasses.MISSING) -> Any:
    """Declare a cell of a row type; without a default a row must name it.

    A default of None makes the cell absent ("-" in the table): wide edits pass over it.
    """
    return dataclasses.field(default=default, metadata={"rule": rule})


def part(kind: type[Any]) -> Any:
    """Declare cells that belong together, such as a branch's; edits reach them as `name.cell`.

    `kind` is a class of cells of its own. A part may be absent.
    """
    return dataclasses.field(default=None, metadata={"part": kind})
