"""TOML files, read with one-line errors. Without torch."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from fuseablate.errors import InputError


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file; an InputError names the file and the line."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not valid TOML: {error}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})") from None
    except ValueError:  # a NUL in its name
        raise InputError(f"{str(path)!r}: is no name of a file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
