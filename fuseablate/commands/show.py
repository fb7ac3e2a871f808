"""`fuseablate show`: a spec as the table that it is, with what each row costs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from fuseablate.commands.arguments import (
    add_columns,
    add_edits,
    add_input,
    add_runs,
    edited_spec,
    run_store,
)
from fuseablate.commands.completion import complete_names
from fuseablate.cost import SUMMARY, cost_kinds, receptive_fields
from fuseablate.errors import InputError
from fuseablate.io.terminal import bare_table, console
from fuseablate.runs import check_output, write_output
from fuseablate.show import (
    TableLine,
    folded,
    parameters_of,
    print_parameters,
    print_receptive_fields,
    print_statistics,
    print_table,
    to_svg,
    unfolded,
)
from fuseablate.spec import InferredRow, Size, Spec, form_edits, plain_size, to_toml


def add(commands: Any) -> None:
    parser = commands.add_parser("show", help="print a spec's table with its shapes and costs")
    complete_names(
        parser.add_argument("spec", nargs="?", help="a shipped spec (fusenet) or path to a .toml")
    )
    add_edits(parser)
    add_input(parser)
    add_columns(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--toml", action="store_true", help="print the (edited) spec as a TOML file")
    form.add_argument("--params", action="store_true", help="print each parameter's name and shape")
    form.add_argument(
        "--weights", metavar="RUN|FILE", help="say what the weights of a run or a .pt file are like"
    )
    form.add_argument("--svg", type=Path, metavar="FILE", help="draw it, by Graphviz, to a file")
    form.add_argument("--field", action="store_true", help="print what each row sees of the image")
    form.add_argument("--why", action="store_true", help="say where each choice comes from")
    parser.add_argument(
        "--all",
        action="store_true",
        help="a line for each repeat of a row, and every note; with --weights every tensor",
    )
    add_runs(parser)
    parser.add_argument(
        "--check",
        action="store_true",
        help="build it, trace it with fvcore and compare every number with the arithmetic",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what was asked for; return 1 where `--check` finds a difference."""
    if args.weights is not None:
        return show_weights(args)
    if not args.spec:
        raise InputError(
            "show needs a spec, which fuseablate list names (see fuseablate show --help)"
        )
    spec = edited_spec(args.spec, args.edits)
    size = args.input or spec.input
    rows = spec.infer(size)
    if args.toml:
        print(to_toml(spec), end="")
    elif args.json:
        print(json.dumps(spec_data(spec, size, rows, args.columns), indent=2))
    elif args.params:
        print_parameters(parameters_of(spec, size), console())
    elif args.svg:
        write_picture(spec, unfolded(rows) if args.all else folded(rows), args.svg)
    elif args.field:
        print_receptive_fields(spec, size, receptive_fields(spec, size), console())
    elif args.why:
        print_why(spec, console())
    else:
        lines = unfolded(rows) if args.all else folded(rows)
        kinds = cost_kinds(args.columns)
        edits = form_edits(args.spec)
        print_table(spec, size, lines, kinds, console(), edits=edits, full=args.all)
    # What a machine reads from stdout stays what it is; the outcome goes beside it.
    return check(spec, size, console(stderr=args.json or args.toml)) if args.check else 0


def show_weights(args: argparse.Namespace) -> int:
    """Print what the weights of a run or of a file are like."""
    if args.spec or args.edits or args.input or args.check:
        raise InputError(
            "--weights shows a run or a file as it is, without a spec, --set, --input or --check"
        )
    from fuseablate.runs.weights import statistics, weights_of

    path, state = weights_of(run_store(args.runs), args.weights)
    out = console()
    out.print(str(path), style="bold", soft_wrap=True)
    print_statistics(statistics(state, every=args.all), out)
    return 0


def write_picture(spec: Spec, lines: Sequence[TableLine], path: Path) -> None:
    """Write the picture to `path`, whole or not at all."""
    check_output(path, "--svg", ".svg")
    write_output(path, "--svg", to_svg(spec, lines))


def check(spec: Spec, size: Size, out: Console) -> int:
    """Say whether fvcore counts the same on the built network; 1 if anything differs."""
    from fuseablate.network.check import verify

    differences = verify(spec, size)
    for difference in differences:
        out.print(Text.assemble(("differs", "red"), f" {difference}"), soft_wrap=True)
    if differences:
        return 1
    verified = (
        f" {spec.called} at {size[0]}x{size[1]}: the built network, traced with fvcore, has the "
        f"shape, params and MACs of each of the {len(spec.rows)} rows"
    )
    out.print(Text.assemble(("verified", "green"), verified), soft_wrap=True)
    return 0


def spec_data(
    spec: Spec, size: Size, rows: tuple[InferredRow, ...], columns: Sequence[str]
) -> dict[str, Any]:
    kinds = cost_kinds(dict.fromkeys((*SUMMARY, *columns)))
    return {
        "spec": spec.name,
        "edits": list(spec.edits),
        "input": plain_size(size),
        **{kind.name: kind.total(rows) for kind in kinds},
        "rows": [
            {
                "row": row.row.id,
                "op": row.row.op,
                "in_shape": list(row.in_shape),
                "out_shape": list(row.out_shape),
                **{kind.name: kind.of(row) for kind in kinds},
                "fields": row.row.values(),
            }
            for row in rows
        ],
    }


def print_why(spec: Spec, out: Console) -> None:
    """Print for each choice whether the source says it or it was inferred."""
    table = bare_table()
    for name in ("Choice", "From", "Why"):
        table.add_column(name, no_wrap=name != "Why")
    for why in spec.why:
        style = "green" if why.origin == "source" else "yellow"
        table.add_row(f"{why.field}={why.value}", Text(why.origin, style=style), str(why.reason))
    out.print(Text.assemble((spec.name, "bold"), f"  {spec.source}"), soft_wrap=True)
    if spec.why:
        out.print(table)
    else:
        out.print("The spec names no reasons; add [[why]] tables to its file.")
