"""Ways to spoil a file: its values, its text, its bytes, and what stands in its place."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

DEEP = "@deep@"  # stands for 5,000 lists within each other, which Python cannot write itself
HUGE = "@huge@"  # for a whole number of 400 digits
ODD: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 2, 7, 10**6, 10**12, 2**63, -(2**63), HUGE, 0.5, -0.5, 1e-300,
    1e300, -1e300, 1e400, float("nan"), "", "0", "nan", "x" * 300, "x" * 100_000, "é" * 300, DEEP,
    "[/b] [red]", "\x1b]0;title\x07", "a\nb", "\x00", "\ud800", "../../etc", "/", "a/b", "-",
    "=1+1", [], {}, [[]], [None], [1, "a"], {"a": 1}, {"": {}}, ["x"] * 1000,
    [[[[[[[[[[[[1]]]]]]]]]]]],
)  # fmt: skip
Place = tuple[Any, Any]  # a list or a table, and the index or key in it


def places(value: Any) -> Iterator[Place]:
    """Yield where each value within a value stands."""
    keys = value if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])


def spoilt_values(value: Any, draw: Random) -> Any:
    """Return a copy with one to three of its values changed, removed, renamed or doubled."""
    value = copy.deepcopy(value)
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        within = list(places(value))
        if not within:
            break
        inside, key = draw.choice(within)
        match draw.randrange(8):
            case 0:
                del inside[key]
            case 1 if isinstance(inside, dict):
                inside[str(draw.choice(ODD))[:400]] = inside.pop(key)
            case 2 if isinstance(inside, list):
                inside.insert(key, copy.deepcopy(inside[key]))
            case 3 if isinstance(inside[key], str):
                inside[key] = spoilt_text(inside[key], draw)
            case 4 if isinstance(inside[key], int | float) and not isinstance(inside[key], bool):
                inside[key] = draw.choice((-inside[key], str(inside[key]), inside[key] * 1000))
            case _:
                inside[key] = copy.deepcopy(draw.choice(ODD))
    return value


def spoilt_text(text: str, draw: Random) -> str:
    """Return a text with a piece removed, doubled or replaced."""
    start = draw.randrange(len(text) + 1)
    end = min(len(text), start + draw.choice((1, 1, 3, 20)))
    new = draw.choice(("", text[start:end] * 2, "'", '"', "[", "}", "=", "\t", "9" * 30, "é", "\0"))
    return text[:start] + new + text[end:]


def spoilt_bytes(data: bytes, draw: Random) -> bytes:
    """Return bytes with some flipped, removed, doubled, or none left."""
    if not data:
        return b"\x00"
    spoilt = bytearray(data)
    start = draw.randrange(len(spoilt))
    match draw.randrange(7):
        case 0:
            return b""
        case 1:
            return data[:start]
        case 2:
            for _ in range(draw.choice((1, 5, 50))):
                spoilt[draw.randrange(len(spoilt))] = draw.randrange(256)
        case 3:
            spoilt[start : start + draw.choice((1, 16, 999))] = b""
        case 4:
            spoilt[start:start] = spoilt[start : start + 100]
        case 5:
            spoilt[start:start] = draw.randbytes(draw.choice((1, 8, 4000)))
        case _:
            spoilt[draw.randrange(len(spoilt))] ^= 1 << draw.randrange(8)
    return bytes(spoilt)


def as_json(value: Any) -> str:
    """Return JSON text, with Python's NaN and Infinity, and what DEEP and HUGE stand for."""
    return _filled(json.dumps(value))


def as_toml(table: dict[str, Any]) -> str:
    """Return a TOML text, a line for each key; values that TOML does not know become texts."""
    return _filled("".join(f"{_key(key)} = {_inline(value)}\n" for key, value in table.items()))


def _filled(text: str) -> str:
    deep = "[" * 5000 + "]" * 5000
    return text.replace(f'"{DEEP}"', deep).replace(f'"{HUGE}"', "9" * 400)


def _key(key: str) -> str:
    return json.dumps(key)


def _inline(value: Any) -> str:
    match value:
        case dict():
            inner = ", ".join(f"{_key(key)} = {_inline(inside)}" for key, inside in value.items())
            return f"{{{inner}}}"
        case list():
            return f"[{', '.join(map(_inline, value))}]"
        case float():
            return repr(value)
        case _:
            return json.dumps("none" if value is None else value)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _missing(path: Path) -> None:
    path.unlink()


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def _device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def _sparse(path: Path) -> None:
    os.truncate(path, 2**33)


IN_ITS_PLACE: tuple[Callable[[Path], None], ...] = (
    _folder, _missing, _pipe, _loop, _device, _sparse,
)  # fmt: skip


def spoil(path: Path, draw: Random, values: Callable[[Path, Random], None] | None = None) -> None:
    """Spoil a file: mostly its values, where they can be read, else its bytes or what it is."""
    kind = draw.random()
    if values and kind < 0.7:
        values(path, draw)
    elif kind < 0.93:
        path.write_bytes(spoilt_bytes(path.read_bytes(), draw))
    else:
        draw.choice(IN_ITS_PLACE)(path)
