"""`fuseablate report`: what has been trained, by variant and by run."""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from fuseablate.atomic import write_atomically
from fuseablate.commands.arguments import add_runs, run_store
from fuseablate.errors import InputError
from fuseablate.report.model import Comparison, of_records
from fuseablate.report.terminal import as_json, print_report
from fuseablate.terminal import console

PICTURE_WIDTH = 112  # columns


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser("report", help="print what has been trained")
    add_runs(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--svg", type=Path, metavar="FILE", help="also write it as a picture of the terminal"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the report of the whole store; a store that is not there is an `InputError`."""
    store = run_store(args.runs)
    comparisons = of_records(store.records())
    if args.json:
        print(json.dumps(as_json(comparisons), indent=2))
        return 0
    if not comparisons:
        raise InputError(
            f"{store.root}: holds no finished run; train one with 'fuseablate quickstart', "
            "or name another store with --runs"
        )
    print_report(comparisons, console())
    if args.svg:
        write_picture(comparisons, args.svg)
    return 0


def write_picture(comparisons: Sequence[Comparison], path: Path) -> None:
    """Write the report as an SVG file that looks like a terminal."""
    screen = Console(
        record=True, width=PICTURE_WIDTH, file=io.StringIO(), force_terminal=True, highlight=False
    )
    print_report(comparisons, screen)
    try:
        write_atomically(path, screen.export_svg(title="fuseablate report"))
    except OSError as error:
        raise InputError(f"--svg {path}: cannot be written: {error.strerror}") from None
