"""A whole network in another width, depth or resolution: `scale.width=x1.25` and its like."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from typing import Any

from fuseablate.errors import InputError, unknown
from fuseablate.ops import Row
from fuseablate.ops.table import DEPTH
from fuseablate.ops.values import follows, scaled, with_each
from fuseablate.spec.keys import Size

SCALE = "scale"  # what stands in place of rows where the whole network is scaled
WIDTH = (SCALE, "width")
DIMENSIONS = ("depth", "width", "resolution")
# EfficientNet's alpha, beta and gamma (Tan and Le, ICML 2019, section 3.3): one step of phi about
# doubles the MACs.
PHI = {"depth": 1.2, "width": 1.1, "resolution": 1.15}
MOST_PHI = 10


@functools.lru_cache(maxsize=4096)
def factor_of(value: str) -> float | None:
    """Return the factor that a value writes (`x0.5`); None where it writes none."""
    match = re.fullmatch(r"x([0-9]{1,6}(?:\.[0-9]*)?|\.[0-9]+)", value)
    if match and float(match[1]) == 0:
        raise InputError("nothing can be scaled by 0; use a factor such as x0.5")
    return float(match[1]) if match else None


@functools.lru_cache(maxsize=4096)
def factors(field: str, value: str) -> Mapping[str, float]:
    """Return the factor of each dimension that `scale.<field>=<value>` names.

    `scale.phi=2` names all three, by EfficientNet's compound formula.
    """
    if field == "phi":
        if not re.fullmatch(r"[0-9]{1,2}(\.[0-9]+)?", value) or not 0 < float(value) <= MOST_PHI:
            raise InputError(f"'{value}' is not a phi; write a number up to {MOST_PHI}, such as 1")
        return {name: base ** float(value) for name, base in PHI.items()}
    if field not in DIMENSIONS:
        raise unknown("scaling", field, (*DIMENSIONS, "phi"))
    factor = factor_of(value)
    if factor is None:
        raise InputError(f"'{value}' is not a factor; write one, as in scale.{field}=x1.25")
    return {field: factor}


def resized(size: Size, factor: float) -> Size:
    """Return an input size (H, W) times a factor, rounded to the nearest whole numbers."""
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def times_deeper(depth: int, factor: float) -> int:
    """Return a depth times a factor, rounded up; raise `InputError` where it is too large."""
    return DEPTH.check(math.ceil(round(depth * factor, 9)))


def channels_of(op: type[Row], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the channel counts that scale in a row of these values; none of the classes' row.

    Each is a number or, for several convolutions in turn, a text of numbers with commas between.
    """
    if values.get("out") == "classes":
        return {}
    return {
        name: values[name] for name in op.scaling() if name in values and not follows(values[name])
    }


def wider(row: Row, channels: Mapping[str, Any], factor: float, divisor: int) -> dict[str, Any]:
    """Return the channel counts of a row (`channels_of`) in another width."""
    return {name: _wide(count, factor, row.step(name, divisor)) for name, count in channels.items()}


@functools.lru_cache(maxsize=4096)  # many rows have few numbers of channels
def _wide(count: Any, factor: float, step: int) -> Any:
    return with_each(count, lambda channels: scaled(channels * factor, step))
