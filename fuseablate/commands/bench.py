"""`fuseablate bench`: our training paths against plain loops, by turns, in one run."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from itertools import product
from typing import TYPE_CHECKING, Any

from fuseablate.commands.arguments import (
    add_data,
    add_edits,
    edited_spec,
    loaded_data,
    match_classes,
    whole_number,
)
from fuseablate.commands.completion import complete_names
from fuseablate.errors import InputError
from fuseablate.io.cores import usable_cores
from fuseablate.io.terminal import bare_table, console

if TYPE_CHECKING:
    import torch

    from fuseablate.data.parts import Data
    from fuseablate.recipes import Recipe
    from fuseablate.spec import Spec
    from fuseablate.training.benchmark import Loop

STACKED = {"cpu": 4}  # runs of a network as one, unless --stack says otherwise
STACKED_ELSE = 8
PASSES = 3  # a backward pass computes and moves about twice what a forward pass does


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "bench", help="measure our training paths against plain PyTorch loops"
    )
    complete_names(
        parser.add_argument("spec", nargs="?", default="fusenet", help="(default: fusenet)")
    )
    add_edits(parser)
    add_data(parser, default="generated")
    parser.add_argument("--device", default="auto", metavar="NAME", help="(default: auto)")
    parser.add_argument("--batch-size", type=whole_number(2), default=128, metavar="N")
    parser.add_argument(
        "--steps", type=whole_number(1), default=20, metavar="N", help="steps a turn"
    )
    parser.add_argument(
        "--turns", type=whole_number(1), default=5, metavar="N", help="turns of each"
    )
    parser.add_argument(
        "--stack",
        type=whole_number(1),
        metavar="S",
        help="runs as one network (default: 4 on a CPU, or 8)",
    )
    parser.add_argument(
        "--processes",
        type=whole_number(0),
        metavar="K",
        help="processes of ours at once; 0 leaves them out (default: the cores, or 4 on a GPU)",
    )
    parser.add_argument(
        "--threads", type=whole_number(1), metavar="N", help="CPU threads (default: torch's)"
    )
    parser.add_argument("--json", action="store_true", help="print every turn for machines")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure the loops turn by turn; print images/s, and each turn's ratio to the plain loop."""
    spec = edited_spec(args.spec, args.edits)

    from fuseablate.cost.roofline import roofline
    from fuseablate.network.profile import measured_rates
    from fuseablate.network.stacking import can_stack
    from fuseablate.recipes import Recipe
    from fuseablate.training.benchmark import checkpoint_times, timed
    from fuseablate.training.environment import (
        choose_device,
        describe,
        onednn_products,
        precision_set,
        threads_set,
    )

    device = choose_device(args.device)
    data = loaded_data(args, spec.input)
    with redirect_stdout(sys.stderr if args.json else sys.stdout):
        spec = match_classes(spec, data)
    if args.batch_size > len(data.train):
        raise InputError(
            f"--batch-size {args.batch_size}: must be at most the {len(data.train)} training "
            f"images of {data.title}"
        )
    recipe = Recipe(
        epochs=200, batch_size=args.batch_size, optimizer="sgd", lr=0.01, momentum=0.9,
        nesterov=True, weight_decay=5e-4,
    )  # fmt: skip
    # What cannot be stacked is trained run by run.
    most = None if can_stack(spec.layers(data.image_size)) else 1
    stack = most or args.stack or STACKED.get(device.type, STACKED_ELSE)
    usual = usable_cores() if device.type == "cpu" else 4
    processes = usual if args.processes is None else args.processes
    loops: list[Loop] = []
    with threads_set(args.threads) as threads:
        try:
            for loop in _loops(spec, data, recipe, device, stack=stack, processes=processes):
                loops.append(loop)  # those before one that fails are closed, too
            tell = (lambda text: None) if args.json else _told
            speeds = timed(loops, steps=args.steps, turns=args.turns, device=device, tell=tell)
            with precision_set("float32"), onednn_products():
                rates = measured_rates(str(device))
            saved = checkpoint_times(spec, data, recipe, device)
        finally:
            for loop in loops:
                loop.close()
        where = describe(device)
    image = (3, *data.image_size)
    least = PASSES * roofline(spec.layers(data.image_size), image, rates, args.batch_size) / 1e9
    floor = args.batch_size / least
    run_images = recipe.epochs * (len(data.train) // args.batch_size * args.batch_size)
    if args.json:
        print(
            json.dumps(
                {
                    "spec": spec.called,
                    "data": data.title,
                    "batch_size": args.batch_size,
                    "steps": args.steps,
                    "environment": where,
                    "images_per_second": {
                        loop.title: values for loop, values in zip(loops, speeds, strict=True)
                    },
                    "floor": {"images_per_second": floor, **rates.model_dump()},
                    "run": {"epochs": recipe.epochs, "images": run_images},
                    "checkpoint": saved._asdict(),
                },
                indent=1,
            )
        )
        return 0
    out = console()
    out.print(
        f"{spec.called} on {data.title}, batch {args.batch_size}, {device}, {threads} CPU "
        f"threads, {args.turns} turns of {args.steps} steps each"
    )
    table = bare_table()
    table.add_column("Images/s")
    for name in ("min", "median", "max", "times plain", "min", "max", "runs/hour"):
        table.add_column(name, justify="right")
    for loop, values in zip(loops, speeds, strict=True):
        ratios = [ours / plain for ours, plain in zip(values, speeds[0], strict=True)]
        least_ratio, ratio, most_ratio = spread(ratios)
        table.add_row(
            loop.title,
            *(f"{value:,.0f}" for value in spread(values)),
            *(f"{value:.2f}" for value in (ratio, least_ratio, most_ratio)),
            f"{3600 * statistics.median(values) / run_images:,.3g}",
        )
    table.add_row("floor", "", f"{floor:,.0f}", style="dim")
    out.print(table)
    out.print(
        f"Floor: {PASSES} forward passes, layer by layer, at {rates.gmacs:,.0f} GMACs/s or "
        f"{rates.gigabytes:,.0f} GB/s ({rates.source}). A run: {recipe.epochs} epochs. Its "
        f"checkpoint: {saved.size / 1e6:,.1f} MB, on the disk after "
        f"{1000 * statistics.median(saved.written):,.1f} ms, of which training waits "
        f"{1000 * statistics.median(saved.waited):,.1f}.",
        style="dim",
    )
    return 0


def _loops(
    spec: Spec, data: Data, recipe: Recipe, device: torch.device, *, stack: int, processes: int
) -> Iterator[Loop]:
    """Begin the loops that are compared, one after another; the first is the plain one."""
    from fuseablate.training.benchmark import OurLoop, ProcessesLoop
    from fuseablate.training.environment import has_reduced_precision
    from fuseablate.training.layouts import LAYOUTS, LayoutLoop
    from fuseablate.training.plain import PlainLoop, TunedLoop

    yield PlainLoop(spec, data, recipe, device)
    yield TunedLoop(spec, data, recipe, device)
    for runs in dict.fromkeys((1, stack)):
        yield OurLoop(spec, data, recipe, device, runs)
        if processes:
            yield ProcessesLoop(spec, data, recipe, device, processes=processes, runs=runs)
    if has_reduced_precision(device):
        for precision in ("tf32", "bf16"):
            yield OurLoop(spec, data, recipe.replace(precision=precision), device, stack)
        for precision, layout in product(("float32", "tf32", "bf16"), LAYOUTS):
            own = recipe.replace(precision=precision)
            yield LayoutLoop(spec, data, own, device, layout)


def _told(text: str) -> None:
    """Show where the measuring is, on a terminal alone, in one line."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def spread(values: list[float]) -> tuple[float, float, float]:
    return min(values), statistics.median(values), max(values)
