"""The journal of what W&B has: one line a run delivered. Without wandb.

A line is appended when a run is complete, on the server (`online`) or in its file (`offline`).
A run that has none is logged again from its record, however much of it was logged before.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from fuseablate.io.checked import parse_as


@dataclass(frozen=True)
class Delivery:
    """A line of the journal."""

    key: str
    what: str
    """Which version of what has that key, such as `record`."""
    mode: Literal["online", "offline"]


class Delivered:
    """What was delivered of a study."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._deliveries: set[Delivery] = set()
        self.reload()

    def reload(self) -> None:
        """Read what another process has added; a line cut off by a kill is passed over."""
        try:
            text = self._path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return
        for line in text.splitlines():
            with suppress(ValueError):  # an `InputError` too
                self._deliveries.add(parse_as(Delivery, line, "a delivery"))

    def has(self, key: str, what: str, mode: str) -> bool:
        """Say whether nothing is left to do in `mode`; what is online need not be a file."""
        if Delivery(key, what, "online") in self._deliveries:
            return True
        return mode == "offline" and Delivery(key, what, "offline") in self._deliveries

    def add(self, key: str, what: str, mode: Literal["online", "offline"]) -> None:
        """Append a line, on the disk when this returns."""
        delivery = Delivery(key, what, mode)
        line = json.dumps(asdict(delivery))
        with self._path.open("a", encoding="utf-8") as file:
            # On a line of its own also where the one before was cut off.
            file.write(f"{line}\n" if file.tell() == 0 else f"\n{line}\n")
            file.flush()
            os.fsync(file.fileno())
        self._deliveries.add(delivery)
