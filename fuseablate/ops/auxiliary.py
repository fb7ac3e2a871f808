"""Rows that are a head at the side: an auxiliary classifier, which only training reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fuseablate.layers import (
    AuxHead,
    Conv,
    Dropout,
    Flatten,
    GlobalPool,
    Layer,
    Linear,
    Pool,
    Seq,
    Shape,
    named,
    numel,
    seq,
)
from fuseablate.ops.fields import PROBABILITY, Float, Int, Kernel, Listed, chain, field, sides
from fuseablate.ops.row import Settings
from fuseablate.ops.shared import NL, NORM, Normed, act_layer
from fuseablate.ops.spatial import FORM, spatial_norm


@dataclass(frozen=True, kw_only=True)
class Aux(Normed):
    """An auxiliary classifier: average pool, convolutions, linear layers; the map passes on."""

    op: ClassVar[str] = "aux"
    title: ClassVar[str] = "Aux"

    weight: float = field(Float(0, 10))
    """What its loss is multiplied by; 0 leaves the head out."""
    norm: str = field(NORM, "batch")
    nl: str = field(NL, "relu")
    size: int | None = field(Int(), None)
    """Of the map that is pooled to, `size` x `size` (GoogLeNet in torchvision)."""
    window: int | None = field(Int(), None)
    """Of a pool over windows instead (Inception v3)."""
    window_stride: int = field(Int(), 3)
    """The stride of `window`."""
    kernel: int | str = field(Listed(Kernel()), 1)
    """Of the convolutions in turn, without padding."""
    out: int | str = field(Listed(Int(scales=True)), 128)
    """The channels of each convolution, or one number for all."""
    hidden: int | None = field(Int(scales=True), None)
    """Of a linear layer with NL and dropout `drop` on all numbers of the map; without it each
    channel's mean goes to the logits."""
    drop: float = field(PROBABILITY, 0.0)
    """The probability of dropout before the classifier."""
    spatial: str = field(FORM, "dense")
    """The form of the convolutions that are larger than 1x1."""

    def kernel_text(self, shape: Shape) -> str:
        return str(self.kernel)

    def layers(self, shape: Shape, settings: Settings) -> Layer:
        """Return the head, or nothing where its weight is 0."""
        cin = self.channels_in(shape)
        if self.weight == 0:
            return Seq(())
        body = Seq((*named(pool=self._pool()), *self._convolutions(cin, settings)))
        if self.hidden is None:
            *_, (_, channels) = chain(self.kernel, self.out)
            head = named(
                mean=GlobalPool(),
                flatten=Flatten(),
                linear=Linear(channels, settings.classes, bias=True),
            )
        else:
            after, _ = body.infer(shape)
            head = named(
                flatten=Flatten(),
                hidden=Linear(numel(after), self.hidden, bias=True),
                act=act_layer(self.nl),
                dropout=Dropout(float(self.drop)) if self.drop else None,
                linear=Linear(self.hidden, settings.classes, bias=True),
            )
        return seq(head=AuxHead((*body.children, *head), float(self.weight)))

    def _pool(self) -> Layer | None:
        if self.size is not None:
            return GlobalPool((self.size, self.size))
        if self.window is None:
            return None
        stride = (self.window_stride, self.window_stride)
        return Pool("avg", (self.window, self.window), stride)

    def _convolutions(self, cin: int, settings: Settings) -> tuple[tuple[str, Layer], ...]:
        made: list[tuple[str, Layer]] = []
        for number, (kernel, out) in enumerate(chain(self.kernel, self.out), 1):
            conv = Conv(cin, out, sides(kernel), bias=self.norm == "none")
            form = self.spatial if conv.kernel != (1, 1) else "dense"
            made.append((f"conv{number}", spatial_norm(self, form, conv, self.nl, settings)))
            cin = out
        return tuple(made)
