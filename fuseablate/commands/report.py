"""`fuseablate report`: what has been trained, by variant and by run."""

from __future__ import annotations

import argparse
import json
from typing import Any

from fuseablate.commands.arguments import add_runs, run_store
from fuseablate.errors import InputError
from fuseablate.report import as_json, print_report
from fuseablate.terminal import console


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser("report", help="print what has been trained")
    add_runs(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the report of the whole store; a store that is not there is an `InputError`."""
    store = run_store(args.runs)
    records = store.records()
    if args.json:
        print(json.dumps(as_json(records), indent=2))
    elif records:
        print_report(records, console())
    else:
        raise InputError(
            f"{store.root}: holds no finished run; train one with 'fuseablate quickstart', "
            "or name another store with --runs"
        )
    return 0
