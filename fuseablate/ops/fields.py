"""The fields of a row: what values each takes, how they are read from text, and what they mean."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from fuseablate.errors import InputError, unknown
from fuseablate.layers import Pair

FieldValue = int | float | bool | str
JsonSchema = dict[str, Any]

# What fields mean that many ops have; where an op's differs, its own doc stands at the field.
COMMON_DOCS: Mapping[str, str] = {
    "kernel": "The side of the square kernel, in pixels.",
    "out": "Output channels.",
    "nl": "The non-linearity.",
    "norm": "The norm behind each convolution.",
    "stride": "How many pixels the kernel moves; 2 halves the map.",
    "padding": "Zeros around the map, in pixels.",
    "bias": "Whether the convolutions have biases.",
    "se": "Whether there is squeeze-and-excite.",
    "spatial": "The form of the KxK convolutions.",
    "residual": "Whether the input is added wherever stride is 1 and in equals out.",
    "dropout": "Whether the spec's `dropout` is applied.",
}


class Rule(Protocol):
    """What values a field takes."""

    @property
    def scales(self) -> bool:
        """Whether an edit may scale the field (`x0.5`), as it may channels."""
        ...

    def check(self, value: object) -> FieldValue:
        """Return the value, or raise an `InputError` that says the rule."""
        ...

    def read(self, text: str) -> FieldValue:
        """Return the value that `text` writes, or raise an `InputError`."""
        ...

    def schema(self) -> JsonSchema:
        """Return the rule in JSON Schema, by which editors check files."""
        ...


@dataclass(frozen=True)
class Int:
    """A whole number from `least` to `most`."""

    least: int = 1
    scales: bool = False
    most: int = 1_000_000

    def check(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise InputError(f"{value!r} is not a whole number, such as {max(self.least, 1)}")
        if value < self.least:
            raise InputError(f"{value} is too small; it must be at least {self.least}")
        if value > self.most:
            raise InputError(f"{value} is too large; it must be at most {self.most}")
        return value

    def read(self, text: str) -> int:
        # `int` also takes 1_0 and digits of any script, and no text of thousands of digits.
        if not re.fullmatch(r"-?[0-9]+", text):
            raise InputError(f"'{text}' is not a whole number, such as {max(self.least, 1)}")
        if len(text) > 18:
            raise InputError(f"'{text}' is too long; it must be {self.least} to {self.most}")
        return self.check(int(text))

    def schema(self) -> JsonSchema:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True)
class Float:
    """A number from `least` to `most`."""

    least: float
    most: float
    below: bool = False
    """Whether it must be less than `most`, as a probability of dropping must."""
    scales: bool = False

    def check(self, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"{value!r} is not a number, such as {self._example}")
        if not self.least <= value <= self.most or (self.below and value == self.most):
            rule = f"{self.least} to {self.most}"
            if self.below:
                rule = f"at least {self.least} and less than {self.most}"
            raise InputError(f"{value} is out of range; it must be {rule}")
        return float(value)

    def read(self, text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            raise InputError(f"'{text}' is not a number, such as {self._example}") from None
        return self.check(number)

    def schema(self) -> JsonSchema:
        most = "exclusiveMaximum" if self.below else "maximum"
        return {"type": "number", "minimum": self.least, most: self.most}

    @property
    def _example(self) -> float:
        return 0.2 if self.below else self.most


PROBABILITY = Float(0, 1, below=True)


@dataclass(frozen=True)
class Bool:
    """`true` or `false`."""

    scales: bool = False

    def check(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise InputError(f"{value!r} is not true or false")
        return value

    def read(self, text: str) -> bool:
        if text not in ("true", "false"):
            raise InputError(f"'{text}' is not true or false")
        return text == "true"

    def schema(self) -> JsonSchema:
        return {"type": "boolean"}


@dataclass(frozen=True)
class Choice:
    """One word of a closed set."""

    words: Collection[str]
    aliases: Iterable[tuple[str, str]] = ()
    """Other words for some of them, each with its own."""
    scales: bool = False

    def check(self, value: object) -> str:
        if isinstance(value, str) and value in self.words:
            return value
        for alias, word in self.aliases:
            if value == alias:
                return word
        raise unknown("value", value, self.words)

    def read(self, text: str) -> str:
        return self.check(text)

    def schema(self) -> JsonSchema:
        return {"enum": [*self.words, *dict(self.aliases)]}


@dataclass(frozen=True)
class Channels:
    """A number of channels, or a word that stands for one."""

    word: str
    """A pattern: `classes` follows the spec, `in` and `6in` the block's input."""
    scales: bool = True

    def check(self, value: object) -> int | str:
        if isinstance(value, str) and re.fullmatch(self.word, value):
            return value
        return Int().check(value)

    def read(self, text: str) -> int | str:
        return text if re.fullmatch(self.word, text) else Int().read(text)

    def schema(self) -> JsonSchema:
        examples = [word for word in ("classes", "in", "6in") if re.fullmatch(self.word, word)]
        return {"anyOf": [Int().schema(), _pattern(self.word, *examples)]}


@dataclass(frozen=True)
class Kernel:
    """A kernel: a whole number for a square one, or height by width, such as `1x7`."""

    text: ClassVar[str] = "[1-9][0-9]?x[1-9][0-9]?"
    """The pattern of those that are not square."""
    scales: bool = False

    def check(self, value: object) -> int | str:
        if isinstance(value, str):
            if not re.fullmatch(Kernel.text, value):
                raise InputError(f"'{value}' is not a kernel; write 3 or, height first, 1x7")
            return value
        return Int(most=99).check(value)

    def read(self, text: str) -> int | str:
        return self.check(int(text) if re.fullmatch(r"[0-9]{1,9}", text) else text)

    def schema(self) -> JsonSchema:
        return {"anyOf": [Int(most=99).schema(), _pattern(self.text, "1x7")]}


@dataclass(frozen=True)
class Padding:
    """Zeros around a map: `same` keeps its size, `valid` adds none, a number adds so many."""

    scales: bool = False

    def check(self, value: object) -> int | str:
        if isinstance(value, str):
            return Choice(("same", "valid")).check(value)
        return Int(least=0, most=99).check(value)

    def read(self, text: str) -> int | str:
        return self.check(int(text) if re.fullmatch(r"[0-9]{1,9}", text) else text)

    def schema(self) -> JsonSchema:
        return {"anyOf": [Int(least=0, most=99).schema(), {"enum": ["same", "valid"]}]}


@dataclass(frozen=True)
class Listed:
    """One value for each of several convolutions in turn, with commas between: `96,128`.

    A list of one is the value itself. Channels scale each for itself.
    """

    rule: Int | Kernel

    @property
    def scales(self) -> bool:
        return self.rule.scales

    def check(self, value: object) -> int | str:
        if isinstance(value, str):
            return self.read(value)
        return self.rule.check(value)

    def read(self, text: str) -> int | str:
        values = [self.rule.read(part) for part in text.split(",")]
        return values[0] if len(values) == 1 else ",".join(map(str, values))

    def schema(self) -> JsonSchema:
        item = self.rule.text if isinstance(self.rule, Kernel) else "[0-9]+"
        item = f"([0-9]+|{item})"
        example = "1x1,3x3" if isinstance(self.rule, Kernel) else "64,96"
        return {"anyOf": [self.rule.schema(), _pattern(f"{item}(,{item})*", example)]}


def _pattern(pattern: str, *examples: str) -> JsonSchema:
    return {"type": "string", "pattern": f"^({pattern})$", "examples": [*examples]}


def field(rule: Rule, default: Any = dataclasses.MISSING) -> Any:
    """Declare a field of a row type; without a default a row must name it.

    A default of None makes the field absent ("-" in the table): wide edits pass over it.
    """
    return dataclasses.field(default=default, metadata={"rule": rule})


def part(kind: type[Any]) -> Any:
    """Declare fields that belong together, such as a branch's; edits reach them as `name.field`.

    `kind` is a class of fields of its own. A part may be absent.
    """
    return dataclasses.field(default=None, metadata={"part": kind})


def scaled(channels: float, divisor: int) -> int:
    """Return `channels` rounded to the divisor, never below it, nor under 0.9 of `channels`.

    This is the rule of the MobileNet family (`make_divisible` in the published code).
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def with_each(channels: Any, change: Callable[[int], int]) -> Any:
    """Return a value of channels, one number or several, with each number changed."""
    if isinstance(channels, int):
        return change(channels)
    return ",".join(str(change(int(part))) for part in channels.split(","))


def width_of(channels: int | str, cin: int) -> int:
    """Return the channels that a number, `in` or `6in` means where `cin` come in."""
    if isinstance(channels, int):
        return channels
    return int(channels.removesuffix("in") or 1) * cin


def follows(channels: object) -> bool:
    """Whether channels follow the block's input, so that there is no number to scale."""
    return isinstance(channels, str) and channels.endswith("in")


def sides(kernel: int | str) -> Pair:
    """Return a kernel's (height, width)."""
    if isinstance(kernel, int):
        return kernel, kernel
    high, _, wide = kernel.partition("x")
    return int(high), int(wide)


def same_padding(kernel: Pair) -> Pair:
    """Return the padding of the source's note 7: `(R - 1) // 2, (S - 1) // 2`."""
    return (kernel[0] - 1) // 2, (kernel[1] - 1) // 2


def padding_of(padding: int | str, kernel: Pair) -> Pair:
    """Return the zeros above and beside a map that a padding means."""
    if padding == "same":
        return same_padding(kernel)
    return (0, 0) if padding == "valid" else (int(padding), int(padding))


def check_kernel(kernel: Pair, stride: int) -> None:
    """Refuse an even kernel where the map must keep its size."""
    for side in kernel:
        if side % 2 == 0 and stride == 1:
            raise InputError(
                f"kernel {side} is even, and with stride 1 the map must keep its size; "
                f"use {side - 1} or {side + 1}"
            )


def listed(values: int | str) -> list[int | str]:
    """Return the values of a list, `96,128`, or of one value."""
    parts = str(values).split(",")
    return [int(part) if part.isdigit() else part for part in parts]


def chain(kernel: int | str, out: int | str) -> list[tuple[int | str, int]]:
    """Return each convolution of a chain in turn: its kernel and its channels.

    One `out` stands for all. With fewer kernels than `out` the first convolutions are 1x1: they
    reduce the channels for those behind them. Raise `InputError` for more kernels than `out`.
    """
    kernels, outs = listed(kernel), [int(channels) for channels in listed(out)]
    if len(outs) == 1:
        outs *= len(kernels)
    if len(kernels) > len(outs):
        raise InputError(
            f"kernel={kernel} are {len(kernels)} convolutions, and out={out} are the channels of "
            f"{len(outs)}; write one number for each, or one for all"
        )
    return list(zip([*[1] * (len(outs) - len(kernels)), *kernels], outs, strict=True))
