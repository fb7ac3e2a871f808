"""The published tables that come with the package, and files of the same kind. Without torch.

A table may be another one with edits (`base`, `edits`), as EfficientNet-B1 is B0 scaled; and it
may have forms, which are edits with a name: `resnet18:cifar` is ResNet-18 in its form `cifar`.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from pathlib import Path
from typing import Any

from fuseablate.errors import InputError, check_name, unknown
from fuseablate.io.reading import read_toml, toml_files
from fuseablate.plugins import load_named
from fuseablate.spec.spec import Spec

MOST_BASES = 8  # of a table, one upon the other
DERIVED = ("title", "source", "base", "edits", "plugins", "forms", "why")


def shipped_specs() -> dict[str, Path]:
    """Return the published tables that come with the package, by name."""
    return toml_files(Path(__file__).with_name("published"))


def load_spec(name: str | Path) -> Spec:
    """Return a shipped spec by its name, or one from a TOML file by its path.

    `NAME:FORM` is the spec in one of its forms. Raise `InputError` with the file, the row and
    the field where anything is wrong.
    """
    check_name("spec", name)
    return _loaded(str(name), ())


def form_edits(name: str | Path) -> tuple[str, ...]:
    """Return the edits that make the form `NAME:FORM` of its table; none where it names no form."""
    base, form = _parts(str(name))
    if form is None:
        return ()
    return next(known.edits for known in _load(base, ()).forms if known.name == form)


def _loaded(name: str, inside: tuple[Path, ...]) -> Spec:
    base, form = _parts(name)
    spec = _load(base, inside)
    try:
        return spec if form is None else spec.form(form)
    except InputError as error:
        raise error.within(base) from None


def _parts(text: str) -> tuple[str, str | None]:
    base, colon, form = text.rpartition(":")
    # A colon may be part of a path, as in C:\\nets\\mine.toml; a form has no dot and no slash.
    return (base, form) if colon and not any(mark in form for mark in "./\\") else (text, None)


def _load(name: str, inside: tuple[Path, ...]) -> Spec:
    path = Path(name)
    if path.suffix != ".toml":
        return _shipped(name, inside)
    if inside and not path.is_absolute():
        path = inside[-1].parent / path
    return _read(path, inside)


@lru_cache(maxsize=256)  # of the package's own tables, which stay as they are
def _shipped(name: str, inside: tuple[Path, ...]) -> Spec:
    shipped = shipped_specs()
    if name not in shipped:
        raise unknown("spec", name, shipped).within("a spec is a name or a path to a .toml")
    return _read(shipped[name], inside)


def _read(path: Path, inside: tuple[Path, ...]) -> Spec:
    table = read_toml(path)
    if "plugins" in table:
        load_named(table.pop("plugins"), path)
    try:
        if path.resolve() in inside:
            raise InputError("base: the tables are each other's base")
        if len(inside) == MOST_BASES:
            raise InputError(f"base: a chain of more than {MOST_BASES} tables")
        if "base" in table:
            return _derived(path, table, inside)
        return Spec.from_dict({"name": path.stem, **table})
    except InputError as error:
        raise error.within(str(path)) from None


def _derived(path: Path, table: dict[str, Any], inside: tuple[Path, ...]) -> Spec:
    for key in table:
        if key not in DERIVED:
            raise unknown("key beside base", key, DERIVED)
    base = _loaded(str(table["base"]), (*inside, path.resolve()))
    edits = table.get("edits", [])
    if not isinstance(edits, list) or not edits:
        raise InputError("edits: a table with a base needs a list of edits of it")
    after = base.edit(*map(str, edits))
    values = {**after.to_dict(), "name": path.stem, "edits": [], "dropped": []}
    values |= {key: value for key, value in table.items() if key not in ("base", "edits")}
    spec = Spec.from_dict(values)
    return dataclasses.replace(spec, forms=spec.forms or base.forms, why=spec.why or base.why)
