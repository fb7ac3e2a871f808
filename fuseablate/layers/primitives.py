"""The primitives, those with parameters first: convolutions, norms, scales, pooling, shifts."""

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


@dataclass(frozen=True, slots=True)
class ChannelShuffle:
    """The channels of `groups` equal runs, taken from each run in turn (ShuffleNet, CVPR 2018)."""

    tag: ClassVar[str] = "ChannelShuffle"
    groups: int

    def infer(self, shape: Shape) -> tuple[Shape, Cost]:
        """Raise `InputError` where the channels do not divide into the groups."""
        channels, _, _ = as_map(shape, "a channel shuffle")
        if channels % self.groups:
            raise InputError(f"{channels} channels do not divide into {self.groups} groups")
        return shape, Cost(elementwise=numel(shape))


@dataclass(frozen=True, slots=True)
class Act:
    """A non-linearity, by its name in `ACTIVATIONS`."""

    tag: ClassVar[str] = "Act"
    kind: str

    def infer(self, shape: Shape) -> tuple[Shape, Cost]:
        return shape, Cost(elementwise=numel(shape))


@dataclass(frozen=True, slots=True)
class GlobalPool:
    """Adaptive average pooling: `(C, H, W)` to `(C, *size)`, by default each channel's mean."""

    tag: ClassVar[str] = "GlobalPool"
    size: Pair = (1, 1)

    def infer(self, shape: Shape) -> tuple[Shape, Cost]:
        """Raise `InputError` where the input is no map."""
        c, _, _ = as_map(shape, "pooling")
        return (c, *self.size), Cost(pool=numel(shape))


@dataclass(frozen=True, slots=True)
class Pool:
    """Pooling over windows."""

    tag: ClassVar[str] = "Pool"
    kind: str
    """`max` or `avg`."""
    kernel: Pair
    stride: Pair
    padding: Pair = (0, 0)
    ceil: bool = False
    """Whether a last window may hang over the edge."""
    count_padding: bool = True
    """Whether an average counts the zeros of the padding."""

    def infer(self, shape: Shape) -> tuple[Shape, Cost]:
        """Raise `InputError` where the map shrinks to nothing, or a window is mostly padding."""
        c, h, w = as_map(shape, "pooling")
        for side, padding in zip(self.kernel, self.padding, strict=True):
            if 2 * padding > side:
                raise InputError(
                    f"padding {padding} is more than half of the pooling window of {side}; "
                    f"use at most {side // 2}"
                )
        sides = window_sides((h, w), self.kernel, self.stride, self.padding, self.ceil)
        return (c, *sides), Cost(pool=numel(shape))


@dataclass(frozen=True, slots=True)
class Pad:
    """Zeros around a map, `width` of them on each side."""

    tag: ClassVar[str] = "Pad"
    width: int

    def infer(self, shape: Shape) -> tuple[Shape, Cost]:
        c, h, w = as_map(shape, "padding")
        return (c, h + 2 * self.width, w + 2 * self.width), Cost()


@dataclass(frozen=True, slots=True)
class ZeroPadShortcut:
    """Every `stride`-th pixel, and channels of zeros before and after to make `cout` of `cin`.

    The parameter-free shortcut of CIFAR ResNets (He et al., 2016, section 4.2, option A).
    """

    tag: ClassVar[str] = "Subsample"
    cin: int
    cout: int
    stride: int

    def infer(self, shape: Shape) -> tuple[Shape, Cost]:
        """Raise `InputError` where the channels are more already, or cannot be padded evenly."""
        c, h, w = as_map(shape, "a padded shortcut")
        if c != self.cin:
            raise InputError(f"a padded shortcut of {self.cin} channels gets {c}")
        if self.cin > self.cout or (self.cout - self.cin) % 2:
            raise InputError(
                f"a padded shortcut adds an even number of channels, and cannot make "
                f"{self.cout} of {self.cin}; use shortcut=project"
            )
        return (self.cout, -(-h // self.stride), -(-w // self.stride)), Cost()


@dataclass(frozen=True, slots=True)
class Shift:
    """Each channel moved by one pixel of a `kernel` x `kernel` window; no params, no MACs.

    The channels are dealt out in equal runs to the window's places, in reading order; those left
    over stay (Wu et al., CVPR 2018). `stride` then keeps every stride-th pixel.
    """

    tag: ClassVar[str] = "Shift"
    kernel: int
    stride: int = 1

    def infer(self, shape: Shape) -> tuple[Shape, Cost]:
        c, h, w = as_map(shape, "a shift")
        return (c, -(-h // self.stride), -(-w // self.stride)), Cost(elementwise=numel(shape))


@dataclass(frozen=True, slots=True)
class Scale:
    """All numbers times one constant factor."""

    tag: ClassVar[str] = "Scale"
    factor: float

    def infer(self, shape: Shape) -> tuple[Shape, Cost]:
        return shape, Cost(elementwise=numel(shape))


@dataclass(frozen=True, slots=True)
class Flatten:
    """A map as a vector: `(C, H, W)` to `(C * H * W,)`."""

    tag: ClassVar[str] = "Flatten"

    def infer(self, shape: Shape) -> tuple[Shape, Cost]:
        return (numel(shape),), Cost()


@dataclass(frozen=True, slots=True)
class Dropout:
    """Dropout with probability `p` while training; nothing at all in eval mode."""

    tag: ClassVar[str] = "Dropout"
    p: float

    def infer(self, shape: Shape) -> tuple[Shape, Cost]:
        return shape, Cost()


@dataclass(frozen=True, slots=True)
class DropPath:
    """A whole image's branch dropped with probability `p` while training (stochastic depth).

    Nothing at all in eval mode (Huang et al., ECCV 2016).
    """

    tag: ClassVar[str] = "DropPath"
    p: float

    def infer(self, shape: Shape) -> tuple[Shape, Cost]:
        return shape, Cost()
