"""The rows that an editor has made, each known once, wherever in a table it stands.

A hundred thousand variants have a million rows, and a quarter as many that differ in more than the
id. Most of those differ from others in their channels alone, as in a network that is made wider:
so of each only the channels are kept, and the row itself is made again where it is asked for.
"""

from __future__ import annotations

import hashlib
from typing import Any

from fuseablate.errors import InputError
from fuseablate.ops import Row
from fuseablate.spec.scaling import channels_of, wider

Widths = tuple[Any, ...]


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
