"""`fuseablate new`: a working, commented file of one's own, and its test."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection
from importlib import resources
from keyword import iskeyword
from pathlib import Path
from typing import Any

from fuseablate.data import DATA_SETS
from fuseablate.errors import InputError
from fuseablate.io.escaping import plain
from fuseablate.ops import OPS
from fuseablate.recipes.load import shipped_recipes

# The endings of the files, and the names that are taken.
NEW_FILES: dict[str, tuple[str, Callable[[], Collection[str]]]] = {
    "op": (".py", lambda: OPS.shipped),
    "dataset": (".py", lambda: DATA_SETS.shipped),
    "recipe": (".toml", shipped_recipes),
    "study": (".toml", tuple),
}
NEXT = {
    "op": "fuseablate show resnet20 --plugin {file} --set 1.op={name} --check",
    "dataset": "fuseablate train resnet20 --plugin {file} --data {name} --epochs 1",
    "recipe": "fuseablate train fusenet --recipe {file} --data generated",
    "study": "fuseablate study run {file} --dry-run",
}


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "new", help="write a commented op, data set, recipe or study of your own, with its test"
    )
    parser.add_argument("kind", choices=NEW_FILES, help="what to write")
    parser.add_argument("name", metavar="NAME", help="its name: letters, digits and _")
    parser.add_argument(
        "--folder", type=Path, default=Path(), metavar="DIR", help="where to write (default: here)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the file and its test; neither where one of them is there."""
    ending, taken = NEW_FILES[args.kind]
    name: str = args.name
    if not (name.isidentifier() and name.isascii() and name == name.lower()):
        raise InputError(
            f"'{name}' is no name; use small letters, digits and _, as in my_{args.kind}"
        )
    if name in taken():
        raise InputError(f"{args.kind} '{name}' ships with fuseablate; give yours another name")
    words = name.split("_")
    # A class's name, or a title.
    title = "".join(map(str.capitalize, words)) if ending == ".py" else " ".join(words).capitalize()
    # Its file would stand before the module of that name where it is run or tested.
    if ending == ".py" and (iskeyword(title) or name in (*sys.stdlib_module_names, "torch")):
        raise InputError(f"'{name}' is a name of Python's own; use another, as in my_{name}")
    own = f"{name}{ending}"
    texts = {own: f"{args.kind}{ending}.txt", f"test_{name}.py": f"test_{args.kind}.py.txt"}
    for file in texts:
        if (args.folder / file).exists():
            raise InputError(
                f"{args.folder / file}: is there already; remove it, or take another name"
            )
    templates = resources.files("fuseablate.commands") / "templates"
    try:
        args.folder.mkdir(parents=True, exist_ok=True)
        for file, template in texts.items():
            text = (templates / template).read_text(encoding="utf-8")
            (args.folder / file).write_text(
                text.replace("NAME", name).replace("TITLE", title), encoding="utf-8"
            )
    except OSError as error:
        raise InputError(f"{args.folder}: cannot be written: {error.strerror}") from None
    file = args.folder / own
    print(plain(f"wrote {file} and {args.folder / f'test_{name}.py'}"))
    print(plain(f"next: {NEXT[args.kind].format(file=file, name=name)}"))
    print(plain(f"      pytest {args.folder / f'test_{name}.py'}"))
    return 0
