"""`fuseablate export`: a spec or a trained run as an ONNX file."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from fuseablate.commands.arguments import (
    add_edits,
    add_input,
    add_runs,
    edited_spec,
    run_store,
    whole_number,
)
from fuseablate.errors import InputError
from fuseablate.io.terminal import console
from fuseablate.runs import check_output, record_named, write_output

RUN = re.compile(r"[0-9a-f]{4,64}")


def add(commands: Any) -> None:
    parser = commands.add_parser("export", help="write a spec or a trained run as an ONNX file")
    parser.add_argument("what", metavar="SPEC|RUN", help="a spec, or the id of a run in the store")
    parser.add_argument(
        "--onnx", type=Path, required=True, metavar="FILE", help="the file to write"
    )
    add_edits(parser)
    add_input(parser)
    parser.add_argument(
        "--seed",
        type=whole_number(0),
        metavar="N",
        help="that of a spec's first weights (default: 0)",
    )
    add_runs(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    check_output(args.onnx, "--onnx", ".onnx")
    about: dict[str, Any]
    if RUN.fullmatch(args.what):
        if args.edits or args.seed is not None:
            raise InputError("a run is trained: it takes no --set and no --seed")
        record = record_named(run_store(args.runs), args.what)

        from fuseablate.runs.weights import trained_network

        spec, size, network = trained_network(run_store(args.runs), record)
        size = args.input or size
        spec.infer(size)
        about = {"run": record.digest, "data": dict(record.data), "classes": record.class_names}
        what = f"run {record.digest[:16]}"
    else:
        spec = edited_spec(args.what, args.edits)
        size = args.input or spec.input
        spec.infer(size)

        from fuseablate.network import build

        network = build(spec, seed=args.seed or 0, size=size)
        about, what = {"seed": args.seed or 0}, f"seed {args.seed or 0}, untrained"

    from fuseablate.network.onnx_file import check_exportable, onnx_file

    check_exportable(spec, size)
    about |= {"spec": spec.name, "edits": spec.edits, "network": spec.digest(size)}
    content, difference = onnx_file(network, size, about)
    write_output(args.onnx, "--onnx", content)
    console().print(
        f"{args.onnx}: {spec.called} ({what}), images Nx3x{size[0]}x{size[1]} to "
        f"logits Nx{spec.classes}; onnxruntime equals torch to {difference:.0e} "
        "of the largest logit",
        soft_wrap=True,
    )
    return 0
