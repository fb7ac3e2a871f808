"""The modules that a row is made of, as their sources write them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# --- Copied from the source document, without inplace, which changes no value. ---


class Hsigmoid(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.relu6(x + 3.0) / 6.0


class SEModule(nn.Module):
    def __init__(self, channel: int, reduction: int = 4) -> None:
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(channel, channel // reduction, bias=False),
            nn.ReLU(),
            nn.Linear(channel // reduction, channel, bias=False),
            Hsigmoid(),
        )

    def forward(self, x: Tensor) -> Any:
        b, c, _, _ = x.size()
        y = self.avg_pool(x).view(b, c)
        y = self.fc(y).view(b, c, 1, 1)
        return x * y.expand_as(x)


class Hswish(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * F.relu6(x + 3.0) / 6.0


class ReferenceFuse(nn.Module):
    """A Fuse block straight from the design's reading, with none of the package in it."""

    def __init__(
        self,
        cin: int,
        exp: int,
        out: int,
        k: int,
        stride: int,
        *,
        se: bool,
        nl: nn.Module,
        halves: bool = False,
        residual: bool = False,
        se_place: str = "before_nl",
        expand: bool = True,
        nl2: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.halves, self.residual, self.se_place = halves, residual, se_place
        self.nl, self.nl2 = nl, nl2 or nl
        each = exp // 2 if halves else exp
        self.expand = nn.Conv2d(cin, exp, 1, bias=False) if expand else None
        self.expand_bn = nn.BatchNorm2d(exp) if expand else None
        pad = (k - 1) // 2
        self.row = nn.Conv2d(each, each, (1, k), stride, (0, pad), groups=each, bias=False)
        self.row_bn = nn.BatchNorm2d(each)
        self.column = nn.Conv2d(each, each, (k, 1), stride, (pad, 0), groups=each, bias=False)
        self.column_bn = nn.BatchNorm2d(each)
        gated = out if se_place == "after_project" else 2 * each
        self.se = SEModule(gated) if se else nn.Identity()
        self.project = nn.Conv2d(2 * each, out, 1, bias=False)
        self.project_bn = nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Any:
        y = x
        if self.expand is not None and self.expand_bn is not None:
            y = self.nl(self.expand_bn(self.expand(x)))
        middle = y.shape[1] // 2
        first, second = (y[:, :middle], y[:, middle:]) if self.halves else (y, y)
        rows = self.row_bn(self.row(first))
        columns = self.column_bn(self.column(second))
        y = torch.cat([rows, columns], dim=1)
        if self.se_place == "before_nl":
            y = self.nl2(self.se(y))
        elif self.se_place == "after_nl":
            y = self.se(self.nl2(y))
        else:
            y = self.nl2(y)
        y = self.project_bn(self.project(y))
        if self.se_place == "after_project":
            y = self.se(y)
        return x + y if self.residual else y


def weights_in_order(module: nn.Module) -> list[Tensor]:
    """Conv and linear weights: in both, in the order in which the data meets them."""
    return [m.weight for m in module.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
