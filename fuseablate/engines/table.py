"""The engines by their names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fuseablate.engines.base import StartEngine
from fuseablate.engines.cluster import RayEngine, ray_workers
from fuseablate.engines.local import LocalEngine
from fuseablate.engines.workers import Asked, Workers, local_workers
from fuseablate.errors import InputError
from fuseablate.plugins import Registry


@dataclass(frozen=True)
class EngineRow:
    """A row of the table."""

    choose: Callable[[Asked], Workers]
    """Return the workers that the flags ask for; an `InputError` says why they cannot be."""
    start: StartEngine
    """Starts the engine with the workers that `choose` returned."""


def _check(name: str, part: EngineRow) -> None:
    if not isinstance(part, EngineRow):
        raise InputError(f"is a {type(part).__name__}, and not an EngineRow")


_SHIPPED: dict[str, EngineRow] = {
    "local": EngineRow(local_workers, LocalEngine),  # this machine
    "ray": EngineRow(ray_workers, RayEngine),  # a cluster
}
ENGINES = Registry("engines", _SHIPPED, _check)
