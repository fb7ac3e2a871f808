"""The engines by their names."""

from __future__ import annotations

from collections.abc import Mapping

from fuseablate.engines.base import StartEngine
from fuseablate.engines.local import LocalEngine

ENGINES: Mapping[str, StartEngine] = {
    "local": LocalEngine,  # this machine
}
