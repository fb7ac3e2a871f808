"""`fuseablate profile`: each row timed on this machine, beside what the machine could do."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fuseablate.commands.arguments import add_edits, add_input, edited_spec, whole_number
from fuseablate.commands.completion import complete_names
from fuseablate.cost import Processor, Profile
from fuseablate.io.escaping import toml
from fuseablate.io.terminal import LINE_EVERY, console, duration
from fuseablate.runs import check_output, write_output
from fuseablate.show import draw_roofline, print_profile
from fuseablate.spec import Size, Spec, plain_size

if TYPE_CHECKING:
    from collections.abc import Callable


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "profile", help="time each row on this machine, beside the machine's limits"
    )
    complete_names(parser.add_argument("spec", help="a shipped spec or a path to a .toml"))
    add_edits(parser)
    add_input(parser)
    parser.add_argument(
        "--batch", type=whole_number(2), default=32, metavar="N", help="(default: 32)"
    )
    parser.add_argument(
        "--turns",
        type=whole_number(1),
        default=10,
        metavar="N",
        help="whose median is taken (default: 10)",
    )
    parser.add_argument(
        "--threads", type=whole_number(1), default=1, metavar="N", help="CPU threads (default: 1)"
    )
    parser.add_argument(
        "--device", default="auto", metavar="NAME", help="cpu, cuda:0, ... (default: the best)"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="draw the roofline: FILE.png or FILE.svg"
    )
    parser.add_argument(
        "--trace", type=Path, metavar="FILE", help="write a training step as torch's profiler has "
        "it: FILE.json, for chrome://tracing or ui.perfetto.dev",
    )  # fmt: skip
    parser.add_argument(
        "--hardware", type=Path, metavar="FILE", help="write the measured rates as a hardware "
        "file, on which any table can be reckoned: --columns roofline@FILE.toml",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Time the rows, and print and write what was asked for."""
    spec = edited_spec(args.spec, args.edits)
    size = args.input or spec.input
    spec.infer(size)
    for flag, endings in (("plot", (".png", ".svg")), ("trace", (".json",)),
                          ("hardware", (".toml",))):  # fmt: skip
        if path := getattr(args, flag):
            check_output(path, f"--{flag}", *endings)

    # Read when torch is first imported; its profiler else says on stderr which devices it lacks.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    from fuseablate.network.profile import profiled, trace
    from fuseablate.training.environment import (
        choose_device,
        memory_kept,
        onednn_products,
        threads_set,
    )

    device = str(choose_device(args.device))
    with threads_set(args.threads), onednn_products(), memory_kept():
        profile = profiled(
            spec,
            size,
            batch=args.batch,
            turns=args.turns,
            device=device,
            tell=_progress(args.turns),
        )
        if args.trace:
            text = trace(spec, size, batch=args.batch, device=device)
            write_output(args.trace, "--trace", text)
    if args.json:
        print(json.dumps(profile_data(spec, size, profile), indent=2))
    else:
        print_profile(spec, size, profile, console())
    if args.plot:
        write_output(args.plot, "--plot", draw_roofline(spec, profile, args.plot.suffix))
    if args.hardware:
        write_output(args.hardware, "--hardware", as_toml(profile.machine))
    return 0


def _progress(turns: int) -> Callable[[int], None]:
    """Return what says on stderr how far the turns are, where they take long."""
    began = said = time.monotonic()

    def tell(turn: int) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said >= LINE_EVERY and 0 < turn < turns:
            said = now
            left = duration((now - began) / turn * (turns - turn))
            console(stderr=True).print(f"turn {turn} of {turns}, {left} left")

    return tell


def profile_data(spec: Spec, size: Size, profile: Profile) -> dict[str, Any]:
    return {
        "spec": spec.name,
        "edits": list(spec.edits),
        "input": plain_size(size),
        "batch": profile.rows[0].images,
        "machine": profile.machine.model_dump(),
        "rows": [
            {
                "row": row.row.row.id,
                "op": row.row.row.op,
                "macs": row.macs,
                "bytes": row.bytes,
                "forward_ms": 1000 * row.forward,
                "backward_ms": 1000 * row.backward,
                "of_limit": row.share(profile.machine),
            }
            for row in profile.rows
        ],
    }


def as_toml(machine: Processor) -> str:
    return "".join(f"{key} = {toml(value)}\n" for key, value in machine.model_dump().items())
