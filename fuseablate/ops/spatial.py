"""The forms of a spatial convolution: what may stand where a network has a dense KxK one."""

from __future__ import annotations

import dataclasses

from fuseablate.errors import InputError
from fuseablate.layers import Children, Concat, Conv, Layer, Pair, Seq, Shift, Split, named, seq
from fuseablate.ops.fields import Choice, same_padding
from fuseablate.ops.row import Settings
from fuseablate.ops.shared import Normed, act_layer

FORMS = ("dense", "factorised", "depthwise", "separable", "fuse", "fuse_half", "shift", "blueprint")
FORM = Choice(FORMS)
# The forms of a depthwise filter, by the name that edits have for them, with a 1x1 behind it.
DEPTHWISE = {"kxk": "separable", "fuse": "fuse", "fuse_half": "fuse_half"}


def spatial(
    row: Normed, form: str, conv: Conv, nl: str | None, settings: Settings
) -> tuple[tuple[str, Layer], ...]:
    """Return, by name, what stands in place of the dense `conv` of `row`.

    It has the same shapes. `factorised` is 1xK then Kx1; `separable` a depthwise convolution,
    `fuse` the pair of depthwise 1xK and Kx1 (FuSeConv, full), `fuse_half` the pair that deals the
    channels out, `shift` a shift, and then 1x1.
    `blueprint` is a 1x1 to a quarter of the channels, a 1x1 to all that go out, and a depthwise
    convolution behind them (BSConv-S, Haase and Amthor, CVPR 2020).
    `depthwise` has no 1x1, and so as many channels out as in, or a multiple of them. Between two
    convolutions stand the row's norm and `nl`; what follows the last is for the row to add.
    """
    if form == "dense":
        return (("conv", row.conv(conv)),)
    cin, stride = conv.cin, conv.stride
    if conv.groups > 1:
        raise InputError(f"spatial={form} has groups of its own; use groups=1")
    if form == "depthwise":
        if conv.cout % cin:
            raise InputError(
                f"spatial=depthwise makes {cin} channels to as many or a multiple, not to "
                f"{conv.cout}; use spatial=separable"
            )
        return (("conv", row.conv(_with(conv, conv.cout, cin, conv.bias))),)
    high, wide = conv.kernel
    if form == "factorised":
        first = Conv(cin, conv.cout, (1, wide), (1, stride[1]), (0, conv.padding[1]))
        last = Conv(
            conv.cout, conv.cout, (high, 1), (stride[0], 1), (conv.padding[0], 0), bias=conv.bias
        )
        return (
            ("row", row.conv_norm(first, settings, nl)),
            ("column", row.conv(last)),
        )
    if form == "blueprint":
        few = -(-cin // 4)
        return (
            ("subspace", row.conv(Conv(cin, few))),
            ("expand", row.conv(Conv(few, conv.cout))),
            ("filter", row.conv(dataclasses.replace(conv, cin=conv.cout, groups=conv.cout))),
        )
    middle, channels = _per_channel(row, form, conv, settings)
    pointwise = Conv(channels, conv.cout, bias=conv.bias)
    return (
        ("channels", seq(filter=middle, act=act_layer(nl) if form != "shift" else None)),
        ("pointwise", row.conv(pointwise)),
    )


def spatial_norm(
    row: Normed, form: str, conv: Conv, nl: str | None, settings: Settings, *, last: bool = False
) -> Seq:
    """Return what `spatial` does with the row's norm and, unless it is the `last`, `nl` behind."""
    norm, act = row.norm_layer(conv.cout, settings), None if last else act_layer(nl)
    return Seq((*spatial(row, form, conv, nl, settings), *named(norm=norm, act=act)))


def _per_channel(row: Normed, form: str, conv: Conv, settings: Settings) -> tuple[Layer, int]:
    cin, (high, wide) = conv.cin, conv.kernel
    if form == "separable":
        return row.conv_norm(_with(conv, cin, cin, False), settings), cin
    if high != wide or conv.padding != same_padding(conv.kernel):
        raise InputError(f"spatial={form} needs a square kernel and padding=same")
    if form == "shift":
        if high % 2 == 0:
            raise InputError(f"spatial=shift needs an odd kernel; use {high + 1}")
        return Shift(high, conv.stride[0]), cin
    half = form == "fuse_half"
    if half and cin % 2:
        raise InputError(
            f"spatial=fuse_half deals the channels out to two convolutions, and {cin} is odd; use "
            "spatial=fuse"
        )
    width = cin // 2 if half else cin
    pair: Children = tuple(
        (
            name,
            row.conv_norm(
                Conv(width, width, kernel, conv.stride, same_padding(kernel), groups=width),
                settings,
            ),
        )
        for name, kernel in (("row", (1, wide)), ("column", (high, 1)))
    )
    return (Split(pair), cin) if half else (Concat(pair), 2 * cin)


def _with(conv: Conv, cout: int, groups: int, bias: bool) -> Conv:
    kernel: Pair = conv.kernel
    return Conv(conv.cin, cout, kernel, conv.stride, conv.padding, groups, bias)
