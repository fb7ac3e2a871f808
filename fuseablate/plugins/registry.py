"""A table of parts by their names: those that ship, and those that plug-ins add."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from fuseablate.errors import InputError, unknown

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")

KINDS = {
    "ops": "op",
    "activations": "activation",
    "datasets": "data set",
    "optimizers": "optimizer",
    "augmentations": "augmentation",
    "costs": "cost",
    "engines": "engine",
}
"""What each table is called, which is also the end of its group of entry points, and what is in
it."""
_HOMES = {
    "ops": "ops",
    "activations": "layers.activations",
    "datasets": "data.sets",
    "optimizers": "recipes.parts",
    "augmentations": "recipes.parts",
    "costs": "cost.costs",
    "engines": "engines.table",
}
"""The module of the package that makes each table."""
_ADDED: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
_TABLES: dict[str, Registry[Any]] = {}


class Registry(ChainMap[str, T]):
    """The parts of one kind by their names: a literal table, and behind it what is added.

    An added part comes from `register` or from an entry point `fuseablate.KIND`, which is imported
    when its name is first asked for.
    """

    def __init__(
        self, kind: str, shipped: Mapping[str, T], check: Callable[[str, T], None] | None = None
    ) -> None:
        """`check` raises an `InputError` for a name and a part that do not fit the table."""
        self._kind, self._check = kind, check
        tables = (MappingProxyType(shipped), _ADDED[kind], _EntryPoints(kind, self._imported))
        super().__init__(*tables)  # type: ignore[arg-type]  # what ships cannot be set
        _TABLES[kind] = self

    def __iter__(self) -> Iterator[str]:
        yield from dict.fromkeys(chain(*self.maps))  # those that ship first

    @property
    def shipped(self) -> tuple[str, ...]:
        """The names of the literal table; no package is looked into."""
        return tuple(self.maps[0])

    def named(self, name: str) -> T:
        """Return the part of that name; an `InputError` names the nearest."""
        if name not in self:
            raise unknown(KINDS[self._kind], name, self)
        return self[name]

    def check(self, name: str, part: Any) -> None:
        """Raise an `InputError` where a name is a shipped part's, or the part is of no use."""
        what = KINDS[self._kind]
        if name in self.maps[0]:
            raise InputError(f"{what} '{name}' ships with fuseablate; give yours another name")
        if self._check:
            try:
                self._check(name, part)
            except InputError as error:
                raise error.within(f"{what} '{name}'") from None

    def _imported(self, point: EntryPoint) -> T:
        try:
            part: T = point.load()
            self.check(point.name, part)
        except Exception as error:
            package = point.dist.name if point.dist else point.value
            why = (
                str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
            )
            raise InputError(f"plug-in {package}: {point.value}: {why}") from None
        return part


class _EntryPoints(Mapping[str, T]):
    """The parts of one kind that installed packages add."""

    def __init__(self, kind: str, imported: Callable[[EntryPoint], T]) -> None:
        self._kind, self._imported = kind, imported

    def __getitem__(self, name: str) -> T:
        part = self._imported(_points(self._kind)[name])
        _ADDED[self._kind][name] = part  # where it is found from now on
        return part

    def __iter__(self) -> Iterator[str]:
        return iter(_points(self._kind))

    def __len__(self) -> int:
        return len(_points(self._kind))


@cache
def _points(kind: str) -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # which reads every installed package

    return {point.name: point for point in entry_points(group=f"fuseablate.{kind}")}


def register(kind: str, name: str, part: Any) -> None:
    """Add a part of a kind (`ops`, `activations`, ...) by its name; see the docs on plug-ins.

    Raise `InputError` for an unknown kind, and for a name or a part that the table refuses.
    """
    if kind not in KINDS:
        raise unknown("kind of part", kind, KINDS)
    if not isinstance(name, str) or not name.isidentifier():
        raise InputError(f"{name!r} is no name of a part; use letters, digits and _")
    import_module(f"fuseablate.{_HOMES[kind]}")  # no table is checked against before it is made
    _TABLES[kind].check(name, part)
    _ADDED[kind][name] = part


def remove(kind: str, name: str) -> None:
    """Take back what was registered; a file that is loaded again names its parts anew."""
    _ADDED[kind].pop(name, None)


def restore(known: Mapping[str, Mapping[str, Any]]) -> None:
    """Take back all that was registered since `added` returned what was `known`."""
    for kind, parts in known.items():
        _ADDED[kind].clear()
        _ADDED[kind].update(parts)


def added() -> dict[str, dict[str, Any]]:
    """Return what has been registered, by kind and name."""
    return {kind: dict(parts) for kind, parts in _ADDED.items()}
