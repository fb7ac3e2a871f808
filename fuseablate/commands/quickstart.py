"""`fuseablate quickstart`: the baseline and three edits of it on generated data, in minutes."""

from __future__ import annotations

import argparse
from typing import Any

from rich.text import Text

from fuseablate.commands.arguments import add_runs, run_store
from fuseablate.commands.study import run_to_report
from fuseablate.io.terminal import console


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "quickstart", help="train the baseline and three edits on generated data, and report"
    )
    add_runs(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the study on the CPU's cores, or the GPUs, and print its report."""
    from fuseablate.studies import load_study

    study = load_study("quickstart")
    out = console()
    generated = (
        f": {study.data.known_classes} classes of drawn shapes, textures and colours, made so that "
        "everything runs without a download. The numbers show that the toolkit works; they say "
        "nothing about CIFAR-100."
    )
    out.print(Text.assemble(("The data are generated", "bold"), generated))
    code = run_to_report(study, store=run_store(args.runs))
    out.print(
        "Next: fuseablate show fusenet; fuseablate cost fusenet --set all.se=false --input 32; "
        "fuseablate baseline --data cifar100 --data-root DIR"
    )
    return code
