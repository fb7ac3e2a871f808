"""`fuseablate bench`: the shipped training path against a plain loop, in turn, in one run."""

from __future__ import annotations

import argparse
import statistics
from typing import Any

from rich.table import Table

from fuseablate.commands.arguments import (
    add_data,
    add_edits,
    edited_spec,
    loaded_data,
    match_classes,
    whole,
)
from fuseablate.io.terminal import console


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "bench", help="measure the shipped training path against a plain PyTorch loop"
    )
    parser.add_argument("spec", nargs="?", default="fusenet", help="(default: fusenet)")
    add_edits(parser)
    add_data(parser, default="generated")
    parser.add_argument("--batch-size", type=whole(2), default=128, metavar="N")
    parser.add_argument("--steps", type=whole(1), default=20, metavar="N", help="steps a turn")
    parser.add_argument("--turns", type=whole(1), default=5, metavar="N", help="turns of each")
    parser.add_argument(
        "--threads", type=whole(1), metavar="N", help="CPU threads (default: torch's)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure both loops turn by turn and print images/s and the ratio of each pair of turns."""
    spec = edited_spec(args.spec, args.edits)

    import torch

    from fuseablate.training.benchmark import PlainLoop, ShippedLoop, timed
    from fuseablate.training.environment import threads_set

    data = loaded_data(args, spec.input)
    spec = match_classes(spec, data)
    out = console()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with threads_set(args.threads) as threads:
        loops = (
            ShippedLoop(spec, data, args.batch_size, device),
            PlainLoop(spec, data, args.batch_size, device),
        )
        out.print(
            f"{spec.name} {spec.label}".strip() + f" on {data.title}, batch {args.batch_size}, "
            f"{device}, {threads} CPU threads, {args.turns} turns of {args.steps} steps each"
        )
        speeds = timed(loops, args.steps, args.turns)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("Loop")
    for name in ("min", "median", "max"):
        table.add_column(name, justify="right")
    for loop, values in zip(loops, speeds, strict=True):
        table.add_row(f"{loop.title}, images/s", *(f"{v:,.0f}" for v in spread(values)))
    ratios = [shipped / plain for shipped, plain in zip(*speeds, strict=True)]
    table.add_row("shipped / plain", *(f"{v:.2f}" for v in spread(ratios)), style="bold")
    out.print(table)
    return 0


def spread(values: list[float]) -> tuple[float, float, float]:
    return min(values), statistics.median(values), max(values)
