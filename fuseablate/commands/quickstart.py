"""`fuseablate quickstart`: the baseline and three edits of it on generated data, in minutes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from fuseablate.commands.arguments import add_runs, run_store
from fuseablate.io.terminal import console

if TYPE_CHECKING:
    from fuseablate.studies import Study

LEVELS = {"se": {"off": "all.se=false"}, "op": {"half": "fuse.variant=half",
                                                "mbconv": "fuse.op=mbconv"}}  # fmt: skip


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "quickstart", help="train the baseline and three edits on generated data, and report"
    )
    add_runs(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the study on the CPU's cores, or the GPUs, and print its report."""
    from fuseablate.engines import plan_workers
    from fuseablate.studies.execute import execute
    from fuseablate.studies.plan import make_plan

    out = console()
    generated = (
        ": 100 classes of drawn shapes, textures and colours, made so that everything runs without "
        "a download. The numbers show that the toolkit works; they say nothing about CIFAR-100."
    )
    out.print(Text.assemble(("The data are generated", "bold"), generated))
    code = execute(make_plan(study(), None), run_store(args.runs), plan_workers(), "off")
    out.print(
        "Next: fuseablate show fusenet; fuseablate cost fusenet --set all.se=false --input 32; "
        "fuseablate baseline --data cifar100 --data-root DIR"
    )
    return code


def study() -> Study:
    """Return the study: one seed of the baseline and of each level."""
    from fuseablate.recipes import load_recipe
    from fuseablate.seeds import SeedPlan
    from fuseablate.spec import load_spec
    from fuseablate.studies import Study
    from fuseablate.studies.schema import DataSource, Factor, Level

    factors = tuple(
        Factor(name=factor, levels=tuple(Level(name=n, edits=(e,)) for n, e in levels.items()))
        for factor, levels in LEVELS.items()
    )
    return Study(
        name="quickstart",
        path=Path("quickstart"),
        title="Quickstart",
        question="Does everything work?",
        spec=load_spec("fusenet"),
        data=DataSource(name="generated"),
        recipe=load_recipe("quick"),
        seeds=SeedPlan.of((0,)),
        design="one-factor",
        factors=factors,
    )
