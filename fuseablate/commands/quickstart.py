"""`fuseablate quickstart`: the baseline and two edits of it on generated data, in minutes."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from fuseablate.commands.arguments import add_runs, run_store
from fuseablate.report import print_report
from fuseablate.spec import load_spec
from fuseablate.terminal import console

if TYPE_CHECKING:
    from fuseablate.data import Data
    from fuseablate.recipe import Recipe
    from fuseablate.runs import Store

EDITS = ("", "all.se=false", "fuse.op=mbconv")


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "quickstart", help="train the baseline and two edits on generated data, and report"
    )
    add_runs(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the quickstart at its own size."""
    from fuseablate.data import load_data
    from fuseablate.recipe import load_recipe

    return quickstart(load_data("generated"), load_recipe("quick"), run_store(args.runs))


def quickstart(data: Data, recipe: Recipe, store: Store) -> int:
    """Train the variants, one seed each, and print the report."""
    from fuseablate.training import train

    out = console()
    out.print(
        "[bold]The data are generated[/]: 100 classes of drawn shapes, textures and colours, made "
        "so that everything runs without a download. The numbers show that the toolkit works; "
        "they say nothing about CIFAR-100."
    )
    spec = load_spec("fusenet")
    records = [train(spec.edit(*edits.split()), recipe, data, 0, store=store) for edits in EDITS]
    print_report(records, out)
    out.print(
        "Next: fuseablate show fusenet; fuseablate cost fusenet --set all.se=false --input 32; "
        "fuseablate baseline --data cifar100 --data-root DIR"
    )
    return 0
