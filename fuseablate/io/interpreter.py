"""How another process of Python is started."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def python_like_this() -> tuple[list[str], dict[str, str]]:
    """Return the command and the environment of a Python that imports what this process would.

    Wherever this one was started from. -P keeps a user's random.py in the current folder from
    standing in for Python's.
    """
    paths = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
    return [sys.executable, "-P"], {**os.environ, "PYTHONPATH": paths}
