"""The commands of the command line, one module each: `add` declares it, `run` carries it out.

In come the words of a command line; out comes an exit code.
"""

from __future__ import annotations

from fuseablate.commands.program import main

__all__ = [
    "main",
]
