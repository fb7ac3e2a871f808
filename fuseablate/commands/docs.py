"""`fuseablate docs` and `fuseablate schema`: what may stand in the files that users write."""

from __future__ import annotations

import argparse
import json
from typing import Any

from fuseablate.errors import InputError
from fuseablate.io.terminal import console

FILES = ("study", "recipe", "spec")


def add(commands: Any) -> None:
    """Declare both commands: the reference for readers, and for editors."""
    docs = commands.add_parser("docs", help="every key of a study, a recipe, a spec or an op")
    docs.add_argument(
        "topic",
        nargs="?",
        choices=(*FILES, "op"),
        default="op",
        help=f"{', '.join(FILES)} or op (default: a list of all ops)",
    )
    docs.add_argument("name", nargs="?", metavar="OP", help="which op (default: a list of all)")
    docs.set_defaults(run=run)
    schema = commands.add_parser("schema", help="the JSON Schema of a file, by which editors check")
    schema.add_argument("file", choices=FILES, help=", ".join(FILES))
    schema.set_defaults(run=print_schema)


def run(args: argparse.Namespace) -> int:
    """Print a file's keys, or an op's fields."""
    from fuseablate.reference import SCHEMAS, op_list, op_schema, print_reference

    out = console()
    if args.topic != "op":
        if args.name:
            raise InputError(f"docs {args.topic}: takes no name; 'docs op {args.name}' is an op's")
        print_reference(SCHEMAS[args.topic](), out)
    elif args.name:
        print_reference(op_schema(args.name), out)
    else:
        out.print(op_list())
    return 0


def print_schema(args: argparse.Namespace) -> int:
    """Print the JSON Schema of a kind of file."""
    from fuseablate.reference import SCHEMAS

    print(json.dumps(SCHEMAS[args.file](), indent=2))
    return 0
