"""Modules that draw random numbers while training, from a generator of their own."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Dropout(nn.Module):
    """Dropout whose mask comes from a generator of its own, on the CPU whatever the device.

    So the masks of a run depend on its seed alone, and not on what else draws random numbers.
    Without a generator torch's global one on the CPU is used.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.generator: torch.Generator | None = None
        self.drawn: tuple[Tensor, Tensor] | None = None
        """Masks that were drawn before, (steps, *mask), and which of them is next, (1,); in memory
        that stays where it is, for steps that are captured."""

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` in eval mode, else `x` with a share `p` zeroed and the rest scaled up."""
        if not self.training or self.p == 0:
            return x
        if self.drawn is None:
            kept = torch.empty(self.mask(x)).bernoulli_(1 - self.p, generator=self.generator)
        else:
            masks, step = self.drawn
            kept = masks.index_select(0, step)[0].to(torch.get_default_dtype())
        scaled = kept.div_(1 - self.p).to(x.device)
        # In float32, whatever `x` is: in bf16 the factor itself would be rounded, by 0.16 % at 0.1.
        return (x * scaled).to(x.dtype)

    def mask(self, x: Tensor) -> tuple[int, ...]:
        """Return the shape of the mask: one draw for each number."""
        return tuple(x.shape)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class DropPath(Dropout):
    """Stochastic depth: one draw for each image."""

    def mask(self, x: Tensor) -> tuple[int, ...]:
        """Return (N, 1, 1, 1)."""
        return (x.shape[0], *(1,) * (x.dim() - 1))
