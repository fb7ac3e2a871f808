"""The cells of a row: what values each takes, how it is read from text, and whether it scales."""

from __future__ import annotations

import dataclasses
import re
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
class Int:
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
        # `int` also takes 1_0 and digits of any script, and no text of thousands of digits.
        if not re.fullmatch(r"-?[0-9]{1,18}", text):
            raise InputError(f"'{text}' is not a whole number, such as {max(self.least, 1)}")
        return self.check(int(text))


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
class Float:
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
class Bool:
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
    """One word of a closed set; `aliases` are other words for some of them, each with its own."""

    words: tuple[str, ...]
    aliases: tuple[tuple[str, str], ...] = ()
    scales: bool = False

    def check(self, value: object) -> str:
        """Return the word, or name the nearest one."""
        if isinstance(value, str) and value in self.words:
            return value
        for alias, word in self.aliases:
            if value == alias:
                return word
        raise unknown("value", value, self.words)

    def read(self, text: str) -> str:
        """Return the word."""
        return self.check(text)


def field(rule: Rule, default: Any = dataclasses.MISSING) -> Any:
    """Declare a cell of a row type; without a default a row must name it.

    A default of None makes the cell absent ("-" in the table): wide edits pass over it.
    """
    return dataclasses.field(default=default, metadata={"rule": rule})


def part(kind: type[Any]) -> Any:
    """Declare cells that belong together, such as a branch's; edits reach them as `name.field`.

    `kind` is a class of cells of its own. A part may be absent.
    """
    return dataclasses.field(default=None, metadata={"part": kind})
