"""The one reader of files: those that a user gives and those that we wrote. Without torch.

A file is read within limits (size, nesting, lengths of numbers), so that none of them can cost
the memory or the stack. Whatever is wrong is one line that begins with the file's name. Types are
checked against a declared model by `fuseablate.io.checked`.
"""

from __future__ import annotations

import json
import stat
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, Any, NoReturn

from fuseablate.errors import InputError

MIB = 2**20
TOML_BYTES, JSON_BYTES = MIB, 64 * MIB
RUNS_BYTES = 1024 * MIB  # of files with some hundred bytes for each run of a study, or of a store
NESTING = 32  # of lists and tables within each other
LARGEST_INT = 2**63 - 1
LARGEST_FLOAT = 1e100  # its square and cube are numbers, too


class MissingError(InputError):
    """There is no file of that name."""


@contextmanager
def opened(path: Path, most: int | None = None) -> Iterator[IO[bytes]]:
    """Open a regular file of at most `most` bytes, to be read within the block.

    Raise `MissingError` where there is none, `InputError` for whatever else is in the way.
    """
    try:
        info = path.stat()
        if not stat.S_ISREG(info.st_mode):  # a pipe would never end, a device neither
            what = "a folder" if stat.S_ISDIR(info.st_mode) else "not an ordinary file"
            raise InputError(f"{path}: cannot be read: it is {what}")
        if most is not None and info.st_size > most:
            raise InputError(
                f"{path}: cannot be read: it has {info.st_size:,} bytes, and the limit is {most:,}"
            )
        with path.open("rb") as file:
            yield file
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingError(f"{path}: cannot be read: {error.strerror}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except MemoryError:
        raise InputError(f"{path}: cannot be read: the memory is full") from None
    except ValueError as error:
        if "\0" not in str(path):
            raise
        raise InputError(f"{str(path)!r}: is not a valid file name: {error}") from None


def read_bytes(path: Path, most: int | None = None) -> bytes:
    """Return what a file holds; see `opened`."""
    with opened(path, most) as file:
        return file.read()


def entries(folder: Path) -> list[Path]:
    """Return what lies in a folder, by name: nothing where there is none.

    Raise `InputError` where the folder cannot be read.
    """
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror}") from None
    except ValueError:  # a NUL in its name
        raise InputError(f"{str(folder)!r}: is not a valid folder name") from None


def holders(folder: Path, name: str) -> list[Path]:
    """Return the folders in `folder` that hold a file `name`, the one changed last first.

    One that cannot be looked into may hold it, and comes last.
    """
    dated: list[tuple[float, Path]] = []
    for path in entries(folder):
        try:
            dated.append((-(path / name).stat().st_mtime, path))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            dated.append((0.0, path))
    return [path for _, path in sorted(dated)]


def toml_files(folder: Path) -> dict[str, Path]:
    """Return the TOML files of a folder by their names, without the ending, in order."""
    return {path.stem: path for path in sorted(folder.glob("*.toml"), key=lambda path: path.stem)}


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file; an InputError names the file and the line."""
    content = read_bytes(path, TOML_BYTES)
    try:
        table = tomllib.loads(content.decode().removeprefix("\ufeff"))  # editors put one there
        check_limits(table)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not valid TOML: {error}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})") from None
    except RecursionError:
        raise InputError(f"{path}: {_TOO_DEEP}") from None
    except InputError as error:
        raise error.within(str(path)) from None
    except ValueError as error:  # a number of thousands of digits, a date that there is not
        raise InputError(f"{path}: not valid TOML: {error}") from None
    return table


def parse_json(text: str | bytes) -> Any:
    """Return what JSON text means; raise `InputError` where it is none, or exceeds a limit."""
    try:
        value = json.loads(text, parse_constant=_no_number)
    except RecursionError:
        raise InputError(_TOO_DEEP) from None
    except InputError:
        raise
    except ValueError as error:  # not UTF-8, not JSON, a number of thousands of digits
        raise InputError(f"not valid JSON: {error}") from None
    check_limits(value)
    return value


_TOO_DEEP = f"lists or tables are nested more than {NESTING} deep"


def _no_number(name: str) -> NoReturn:
    raise InputError(f"{name} is not a JSON number")


def check_limits(value: object) -> None:
    """Raise `InputError` for a value nested too deeply, a number too large, a text that is none.

    A NaN passes, which TOML can write: what a number may be is for the model to say.
    """
    level: list[Any] = [value]
    for _ in range(NESTING):
        _check_values(level)
        tables = [inner for inner in level if isinstance(inner, dict)]
        lists = [inner for inner in level if isinstance(inner, list)]
        level = [*chain.from_iterable(lists), *chain.from_iterable(tables)]
        level += chain.from_iterable(table.values() for table in tables)
        if not level:
            return
    raise InputError(_TOO_DEEP)


def _check_values(values: Sequence[Any]) -> None:
    """Check what is no list and no table, kind by kind: a record holds a thousand numbers."""
    texts = [value for value in values if isinstance(value, str)]
    if not "".join(texts).isascii():
        for text in texts:
            _check_text(text)
    for whole in [value for value in values if type(value) is int]:
        if not -LARGEST_INT <= whole <= LARGEST_INT:
            raise InputError(f"a whole number of {whole.bit_length()} bits: at most 63 are read")
    for real in [value for value in values if type(value) is float]:
        if real > LARGEST_FLOAT or real < -LARGEST_FLOAT:
            raise InputError(f"{real:g}: numbers are read up to {LARGEST_FLOAT:g}")


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"{ascii(text)[:40]} is not text: it holds half of a surrogate pair"
        ) from None
