"""Cells of channel counts: as numbers, as what comes in times a factor, and scaled."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fuseablate.ops.fields import Int


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
class ChannelsOut:
    """Channels that a row puts out: a whole number, or `classes`, which follows the spec."""

    scales: bool = True

    def check(self, value: object) -> int | str:
        """Return the number or the word `classes`."""
        return "classes" if value == "classes" else Int().check(value)

    def read(self, text: str) -> int | str:
        """Return the number or the word that `text` writes."""
        return "classes" if text == "classes" else Int().read(text)


@dataclass(frozen=True)
class Inner:
    """The width inside a block: a whole number, or `in`, which follows the block's input."""

    scales: bool = True

    def check(self, value: object) -> int | str:
        """Return the number or the word `in`."""
        return "in" if value == "in" else Int().check(value)

    def read(self, text: str) -> int | str:
        """Return the number or the word that `text` writes."""
        return "in" if text == "in" else Int().read(text)


@dataclass(frozen=True)
class Expanded:
    """The width inside a block: a whole number, or `6in` for six times what comes in."""

    scales: bool = True

    def check(self, value: object) -> int | str:
        """Return the number, or how many times the block's input."""
        if isinstance(value, str) and re.fullmatch(r"([1-9][0-9]?)?in", value):
            return value
        return Int().check(value)

    def read(self, text: str) -> int | str:
        """Return the number, or how many times the block's input, that `text` writes."""
        return self.check(text) if text.endswith("in") else Int().read(text)


def width_of(value: int | str, cin: int) -> int:
    """Return the channels that an `Expanded` cell means in a block of `cin` input channels."""
    if isinstance(value, int):
        return value
    return int(value.removesuffix("in") or 1) * cin


def follows(value: object) -> bool:
    """Whether a cell of channels follows the block's input, so that it has no number to scale."""
    return isinstance(value, str) and value.endswith("in")
