"""What the values of fields mean: channels that scale or follow, kernels, paddings, chains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fuseablate.errors import InputError
from fuseablate.layers import Pair


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
