"""Where a part comes from: the plug-in, and the digest of what it says."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from pathlib import Path
from typing import Any

from fuseablate.errors import InputError
from fuseablate.plugins.files import loaded_as

PACKAGE = "fuseablate"


def content_of(part: Any) -> str:
    """Return the SHA-256 of the file that defines a part, or "" for what ships.

    Of two runs whose parts have one digest the code is the same. A module that a plug-in's file
    imports is no part of it. Raise `InputError` for what was defined in no file.
    """
    module = _home(part)
    if not module:
        return ""
    plugin = loaded_as(module)
    if plugin:
        return plugin.digest
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        raise InputError(
            f"{getattr(part, '__qualname__', part)}: is defined in no file, so that nothing says "
            "what its runs were; put it into one, and load that"
        )
    return _digest(file)


def plugin_of(part: Any) -> str:
    """Return the name of the file or the package that a part comes from, or "" for what ships."""
    module = _home(part)
    plugin = loaded_as(module) if module else None
    return Path(plugin.path).name if plugin else module.partition(".")[0]


def file_of(part: Any) -> str:
    """Return the path of the file that a part was loaded from, or "" where no file was."""
    plugin = loaded_as(_home(part))
    return plugin.path if plugin else ""


def _home(part: Any) -> str:
    """Return the module that defines a part; "" for this package's own."""
    # A part that is data names its function by text, as in mine:load.
    named = getattr(part, "defined_in", None)
    module = str(named or getattr(part, "__module__", type(part).__module__))
    return "" if module.partition(".")[0] in (PACKAGE, "torch", "torchvision") else module


@cache
def _digest(file: str) -> str:
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()
