"""The journal of what W&B has: one line a run delivered. Without wandb.

A line is appended when a run is complete, on the server (`online`) or in its file (`offline`).
A run that has none is logged again from its record, however much of it was logged before.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Literal


class Delivered:
    """What was delivered of a study; `what` names a version of it, such as `record`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: set[tuple[str, str, str]] = set()
        self.reload()

    def reload(self) -> None:
        """Read what another process has added; a line cut off by a kill is passed over."""
        try:
            text = self._path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return
        for line in text.splitlines():
            try:
                entry = json.loads(line)
                self._entries.add((entry["key"], entry["what"], entry["mode"]))
            except (ValueError, KeyError, TypeError):
                continue

    def has(self, key: str, what: str, mode: str) -> bool:
        """Say whether nothing is left to do in `mode`; what is online need not be a file."""
        modes = {"online"} if mode == "online" else {"online", "offline"}
        return any((key, what, each) in self._entries for each in modes)

    def add(self, key: str, what: str, mode: Literal["online", "offline"]) -> None:
        """Append a line, on the disk when this returns."""
        line = json.dumps({"key": key, "what": what, "mode": mode})
        with self._path.open("a", encoding="utf-8") as file:
            # On a line of its own also where the one before was cut off.
            file.write(f"{line}\n" if file.tell() == 0 else f"\n{line}\n")
            file.flush()
            os.fsync(file.fileno())
        self._entries.add((key, what, mode))
