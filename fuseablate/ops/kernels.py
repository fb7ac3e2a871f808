"""Cells of kernels and paddings, and of lists: one value for each convolution of a chain."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fuseablate.errors import InputError
from fuseablate.ops.fields import Choice, Int


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
        return Int(most=99).check(value)

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
        return Int(least=0, most=99).check(value)

    def read(self, text: str) -> int | str:
        """Return the padding that `text` writes."""
        return self.check(int(text) if re.fullmatch(r"[0-9]{1,9}", text) else text)


@dataclass(frozen=True)
class Listed:
    """One value for each of several convolutions in turn, with commas between: `96,128`.

    A list of one is the value itself. Channels scale each for itself.
    """

    rule: Int | Kernel

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
