"""`fuseablate convert`: weights that torchvision or timm publish, for a table of this builder."""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

from fuseablate.io.terminal import console
from fuseablate.runs import check_output, write_output
from fuseablate.spec import load_spec


def add(commands: Any) -> None:
    parser = commands.add_parser("convert", help="bring a pretrained network's weights over")
    parser.add_argument(
        "what", metavar="LIBRARY:NAME", help="torchvision:resnet18, or timm:inception_v4"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="the file (default: NAME.pt)")
    parser.add_argument(
        "--state", type=Path, metavar="FILE", help="a state dict of that network, not downloaded"
    )
    parser.add_argument(
        "--spec", metavar="SPEC", help="the table of the same network (default: the shipped one)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    out = args.output if args.output is not None else Path(f"{args.what.rpartition(':')[2]}.pt")
    check_output(out, "--output", ".pt")

    import torch

    from fuseablate.network.pretrained import Published, brought_over
    from fuseablate.runs.weights import load_weights

    published = Published.read(args.what)
    spec = load_spec(args.spec) if args.spec else published.spec()
    state = load_weights(args.state) if args.state else published.state()
    brought = brought_over(published, state, spec)
    content = io.BytesIO()
    torch.save(dict(brought.weights), content)
    write_output(out, "--output", content.getvalue())
    difference, spec = brought.difference, brought.spec
    exact = f"differ by {difference:.0e} of the largest" if difference else "are equal"
    heads = f"; auxiliary heads that it lacks have initial values: row {', '.join(brought.initial)}"
    console().print(
        f"{out}: the weights of {args.what} under the names of {spec.name}, {spec.classes} "
        f"classes; the logits {exact}{heads if brought.initial else ''}",
        soft_wrap=True,
    )
    return 0
