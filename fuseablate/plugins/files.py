"""Plug-ins that are files: each is run once, as a module of its own."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from fuseablate.errors import InputError, check_name
from fuseablate.io.reading import MIB, read_bytes
from fuseablate.plugins.registry import added, remove, restore

PREFIX = "fuseablate_plugin_"  # of the modules' names


@dataclass(frozen=True)
class LoadedPlugin:
    """A plug-in's file as it was when it was run."""

    path: str
    source: str
    parts: tuple[tuple[str, str], ...]
    """The kind and the name of each part that it registered."""

    @property
    def digest(self) -> str:
        """The SHA-256 of its source."""
        return hashlib.sha256(self.source.encode()).hexdigest()


_LOADED: dict[str, LoadedPlugin] = {}  # by the module's name


def load_plugin(path: str | Path) -> None:
    """Run a file of one's own parts, which it names by `register`; a second time does nothing.

    Raise `InputError` with the file, the line and what is wrong.
    """
    check_name("plug-in", path)
    file = Path(path).expanduser()
    try:
        source = read_bytes(file, MIB).decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})") from None
    run_plugin(str(file.resolve()), source, said=str(path))


def run_plugin(path: str, source: str, *, said: str = "") -> None:
    """Run the source of a plug-in, which lies or lay at `path`; see `load_plugin`."""
    said = said or path
    name = module_name(path)
    before = _LOADED.get(name)
    if before is not None and before.source == source:
        return
    _LOADED.pop(name, None)  # its parts go, whether or not this source can be run
    for kind, part in before.parts if before else ():
        remove(kind, part)
    known = added()
    module = _module(name, path)
    sys.modules[name] = module
    try:
        exec(compile(source, path, "exec"), vars(module))
    except SyntaxError as error:
        _forget(name, known)
        raise InputError(f"{said}:{error.lineno}: {error.msg}") from None
    except (Exception, SystemExit) as error:
        _forget(name, known)
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__)
                 if frame.filename == path]  # fmt: skip
        what = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        place = f"{said}:{lines[-1]}" if lines else said
        raise InputError(f"{place}: {' '.join(what.split())}") from None
    parts = tuple((kind, part) for kind, names in added().items() for part in names
                  if names[part] is not known[kind].get(part))  # fmt: skip
    if not parts:
        _forget(name, known)
        raise InputError(f"{said}: registers nothing; it is to call fuseablate.register")
    _LOADED[name] = LoadedPlugin(path, source, parts)


def load_named(names: object, file: Path) -> None:
    """Load the plug-ins that a file of the user's names by its key `plugins`, relative to it."""
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise InputError(f'{file}: plugins = {names!r}: write a list of files, as ["mine.py"]')
    for name in names:
        try:
            load_plugin(file.parent / name)
        except InputError as error:
            raise error.within(f"{file}: plugins") from None


def module_name(path: str) -> str:
    """Return the name of the module of a plug-in's file, the same in every process."""
    return f"{PREFIX}{Path(path).stem}_{hashlib.sha256(path.encode()).hexdigest()[:8]}"


def loaded_as(module: str) -> LoadedPlugin | None:
    """Return the plug-in that is the module of this name."""
    return _LOADED.get(module)


def _module(name: str, path: str) -> ModuleType:
    spec = importlib.util.spec_from_loader(name, loader=None, origin=path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    module.__file__ = path
    return module


def _forget(name: str, known: dict[str, dict[str, object]]) -> None:
    sys.modules.pop(name, None)
    restore(known)


def plugin_sources() -> list[dict[str, str]]:
    """Return the path and the source of each file that has been run, for another process."""
    return [{"path": plugin.path, "source": plugin.source} for plugin in _LOADED.values()]


def run_plugins(sources: Iterable[Mapping[str, str]]) -> None:
    """Run the plug-ins of another process, by their `plugin_sources`."""
    for plugin in sources:
        run_plugin(plugin["path"], plugin["source"])
