"""The primitives with parameters: convolutions, norms, scales."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fuseablate.errors import InputError
from fuseablate.layers.shapes import (
    Cost,
    Pair,
    Shape,
    as_map,
    check_channels,
    numel,
    window_sides,
)


@dataclass(frozen=True, slots=True)
class Conv:
    """A 2-d convolution (cross-correlation), zero-padded."""

    tag: ClassVar[str] = "Conv"
    cin: int
    cout: int
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    groups: int = 1
    bias: bool = False
    standardised: bool = False
    """Whether each output channel's kernel is given mean 0 and variance 1 before it is used
    (weight standardisation, Qiao et al., 2019). The params are those of the raw kernel."""

    def infer(self, shape: Shape) -> tuple[Shape, Cost]:
        """Raise `InputError` where channels do not divide or the map shrinks to nothing."""
        c, h, w = as_map(shape, "a convolution")
        if c != self.cin:
            raise InputError(f"a convolution of {self.cin} channels gets {c}")
        if self.cin % self.groups or self.cout % self.groups:
            raise InputError(
                f"{self.cin} to {self.cout} channels do not divide into {self.groups} groups"
            )
        sides = window_sides((h, w), self.kernel, self.stride, self.padding)
        after = (self.cout, *sides)
        weights = self.cout * (self.cin // self.groups) * self.kernel[0] * self.kernel[1]
        params = weights + (self.cout if self.bias else 0)
        out_numbers = numel(after)
        return after, Cost(
            params=params,
            macs=weights * sides[0] * sides[1],
            activations=out_numbers,
            bytes=4 * params,
        )


@dataclass(frozen=True, slots=True)
class Linear:
    """A fully connected layer on a vector."""

    tag: ClassVar[str] = "Linear"
    cin: int
    cout: int
    bias: bool = False

    def infer(self, shape: Shape) -> tuple[Shape, Cost]:
        """Raise `InputError` where the input is no vector of `cin`."""
        if shape != (self.cin,):
            raise InputError(f"a linear layer of {self.cin} inputs gets a tensor of shape {shape}")
        params = self.cin * self.cout + (self.cout if self.bias else 0)
        return (self.cout,), Cost(
            params=params, macs=self.cin * self.cout, activations=self.cout, bytes=4 * params
        )


@dataclass(frozen=True, slots=True)
class Norm:
    """Normalisation over the channels of a map, with a learned scale and shift."""

    tag: ClassVar[str] = "Norm"
    channels: int
    groups: int = 0
    """Of channels, over which each image is normalised (GroupNorm); 0 is over the batch."""
    eps: float = 1e-5
    momentum: float = 0.1
    """As torch has it: the share of a new batch in the running statistics."""

    def infer(self, shape: Shape) -> tuple[Shape, Cost]:
        as_map(shape, "a norm")
        # A float32 takes 4 bytes: two learned numbers a channel, for the batch two running ones and
        # one counter.
        saved = 8 * self.channels if self.groups else 16 * self.channels + 8
        return shape, Cost(params=2 * self.channels, bytes=saved, norm=numel(shape))


@dataclass(frozen=True, slots=True)
class LayerNorm:
    """Normalisation of each position of a map over its channels, with a learned scale and shift."""

    tag: ClassVar[str] = "LayerNorm"
    channels: int
    eps: float = 1e-5

    def infer(self, shape: Shape) -> tuple[Shape, Cost]:
        """Raise `InputError` where the input is no map of so many channels."""
        check_channels(shape, self.channels, "a layer norm")
        return shape, Cost(params=2 * self.channels, bytes=8 * self.channels, norm=numel(shape))


@dataclass(frozen=True, slots=True)
class LayerScale:
    """Each channel of a map times a learned factor (Touvron et al., ICCV 2021)."""

    tag: ClassVar[str] = "LayerScale"
    channels: int
    initial: float
    """What each factor begins with."""

    def infer(self, shape: Shape) -> tuple[Shape, Cost]:
        """Raise `InputError` where the input is no map of so many channels."""
        check_channels(shape, self.channels, "a layer scale")
        return shape, Cost(params=self.channels, bytes=4 * self.channels, elementwise=numel(shape))


@dataclass(frozen=True, slots=True)
class ChannelConv:
    """A one-dimensional convolution along the channels of a vector, zero-padded to its length.

    One odd kernel for all positions: `(C,)` to `(C,)` (Wang et al., ECA-Net, CVPR 2020).
    """

    tag: ClassVar[str] = "ChannelConv"
    kernel: int

    def infer(self, shape: Shape) -> tuple[Shape, Cost]:
        """Raise `InputError` where the input is no vector."""
        if len(shape) != 1:
            raise InputError(f"a convolution along channels needs a vector, and gets {shape}")
        return shape, Cost(
            params=self.kernel,
            macs=self.kernel * shape[0],
            activations=shape[0],
            bytes=4 * self.kernel,
        )
