"""A whole network in another width, depth or resolution: `scale.width=x1.25` and its like.

A row is made wider a hundred thousand times while variants are counted, which have a million rows,
and a quarter as many that differ in more than the id. Most of those differ from others in their
channels alone: so each is known once, by its channels, and made again where it is asked for.
"""

from __future__ import annotations

import functools
import hashlib
import math
import re
from collections.abc import Mapping
from typing import Any

from fuseablate.errors import InputError, unknown
from fuseablate.ops import Row
from fuseablate.ops.fields import follows, scaled, with_each
from fuseablate.ops.table import DEPTH
from fuseablate.spec.keys import Size

SCALE = "scale"  # what stands in place of rows where the whole network is scaled
WIDTH = (SCALE, "width")
DIMENSIONS = ("depth", "width", "resolution")
# EfficientNet's alpha, beta and gamma (Tan and Le, ICML 2019, section 3.3): one step of phi about
# doubles the MACs.
PHI = {"depth": 1.2, "width": 1.1, "resolution": 1.15}
MOST_PHI = 10

Widths = tuple[Any, ...]
"""The channel counts of a row, `channels_of`, without their names."""


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
            rule = f"write a number above 0 and up to {MOST_PHI}, such as 1"
            raise InputError(f"'{value}' is not a phi; {rule}")
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


def steady_hash(value: object) -> int:
    """Return a hash that is the same in every process; Python's own of a text is not.

    value: a number, a text or None, or a tuple of such. Equal ones have the same hash.
    """
    if isinstance(value, int | float):
        return hash(value)
    if isinstance(value, tuple):
        return hash(tuple(map(steady_hash, value)))
    return int.from_bytes(hashlib.blake2b(repr(value).encode(), digest_size=7).digest())


class _Kind:
    """What rows share that differ in their id and their channels alone."""

    __slots__ = ("hash", "names", "row")

    def __init__(self, row: Row, names: tuple[str, ...], hash: int) -> None:
        self.row = row  # any of them
        self.names = names  # those of the channels
        self.hash = hash


class KnownRow:
    """All of a row but its id. No two are equal, so that they go by identity.

    The hash of a row itself is that of all its fields: reckoning it takes longer than looking up
    what the row costs.
    """

    __slots__ = ("channels", "hash", "kind")

    def __init__(self, kind: _Kind, channels: Widths) -> None:
        self.kind, self.channels = kind, channels
        self.hash = hash((kind.hash, *map(steady_hash, channels)))

    @property
    def row(self) -> Row:
        """The row, with any id."""
        return self.kind.row.replaced(dict(zip(self.kind.names, self.channels, strict=True)))


class KnownRows:
    """Knows each row once."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[object, ...], _Kind] = {}
        self._rows: dict[tuple[_Kind, Widths], KnownRow] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def of(self, row: Row) -> KnownRow:
        """Return what is known of a row."""
        values = row.values()
        channels = channels_of(type(row), values)
        others = [item for item in values.items() if item[0] not in channels]
        key = (row.op, *channels, *others)
        if key not in self._kinds:
            self._kinds[key] = _Kind(row, tuple(channels), steady_hash(key))
        return self._known(self._kinds[key], tuple(channels.values()))

    def wider(self, known: KnownRow, factor: float, divisor: int) -> KnownRow:
        """Return a row with its channels times a factor; `InputError` where that is too many."""
        kind = known.kind
        rules = kind.row.rules()
        channels = dict(zip(kind.names, known.channels, strict=True))
        wide = []
        for name, count in wider(kind.row, channels, factor, divisor).items():
            try:
                wide.append(rules[name].check(count))
            except InputError as error:
                raise error.within(name) from None
        return self._known(kind, tuple(wide))

    def _known(self, kind: _Kind, channels: Widths) -> KnownRow:
        key = (kind, channels)
        if key not in self._rows:
            self._rows[key] = KnownRow(kind, channels)
        return self._rows[key]
