"""What rows with depthwise filters of their own share: the filters' form, a field of the row."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fuseablate.errors import InputError
from fuseablate.layers import Concat, Conv, Layer, Pair, Split, named, seq
from fuseablate.ops.fields import Choice, field, same_padding
from fuseablate.ops.row import Settings
from fuseablate.ops.shared import Normed
from fuseablate.ops.spatial import DEPTHWISE


@dataclass(frozen=True, kw_only=True)
class WithDepthwise(Normed):
    """A row in which depthwise convolutions stand, whatever stands around them."""

    filter: str = field(Choice(tuple(DEPTHWISE)), "kxk")
    """Their form: `kxk`, or FuSe's pair of 1xK and Kx1, each over all channels (`fuse`, which
    doubles them) or over one half of them (`fuse_half`)."""

    @classmethod
    def depthwise_forms(cls, values: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
        return {form: {"filter": form} for form in DEPTHWISE}

    def filtered(
        self,
        conv: Conv,
        settings: Settings,
        *,
        norm: bool = True,
        doubles: bool = True,
    ) -> tuple[Layer, int]:
        """Return what stands in place of a depthwise `conv`, and how many channels it puts out.

        norm: whether each convolution has the row's norm. doubles: whether what follows can take
        twice the channels. Raise `InputError` where it cannot, or the channels are odd.
        """
        if self.filter == "kxk":
            return self._convolution(conv, settings, norm), conv.cout
        if self.filter == "fuse" and not doubles:
            raise InputError(
                "filter=fuse puts out twice the channels, and no 1x1 stands behind to take them; "
                "use filter=fuse_half"
            )
        half = self.filter == "fuse_half"
        if half and conv.cin % 2:
            raise InputError(
                f"filter=fuse_half deals the channels out to two convolutions, and {conv.cin} is "
                "odd; use filter=fuse"
            )
        over = 2 if half else 1

        def line(kernel: Pair) -> Layer:
            part = dataclasses.replace(
                conv,
                cin=conv.cin // over,
                cout=conv.cout // over,
                groups=conv.groups // over,
                kernel=kernel,
                padding=same_padding(kernel),
            )
            return self._convolution(part, settings, norm)

        pair = named(row=line((1, conv.kernel[1])), column=line((conv.kernel[0], 1)))
        return (Split(pair), conv.cout) if half else (Concat(pair), 2 * conv.cout)

    def _convolution(self, conv: Conv, settings: Settings, norm: bool) -> Layer:
        return self.conv_norm(conv, settings) if norm else seq(conv=self.conv(conv))


def depthwise(channels: int, kernel: int, stride: int = 1, *, bias: bool = False) -> Conv:
    """Return a same-padded depthwise convolution of a square kernel."""
    sides = (kernel, kernel)
    padding = same_padding(sides)
    return Conv(channels, channels, sides, (stride, stride), padding, channels, bias)
