"""`fuseablate show`: a spec as the table that it is, with what each row costs."""

from __future__ import annotations

import argparse
import json
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fuseablate.commands.arguments import add_edits, add_input, edited_spec, input_json
from fuseablate.keys import Size
from fuseablate.layers import Add, Cost, Sum, holds
from fuseablate.ops import Row
from fuseablate.spec import Spec, TracedRow, to_toml
from fuseablate.terminal import console, short, size_text

WIDE = 118  # columns from which every cell is written in full


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser("show", help="print a spec's table with its shapes and costs")
    parser.add_argument("spec", help="a shipped spec (fusenet) or a path to a .toml")
    add_edits(parser)
    add_input(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--toml", action="store_true", help="print the (edited) spec as a TOML file")
    form.add_argument("--why", action="store_true", help="say where each choice comes from")
    parser.add_argument(
        "--check",
        action="store_true",
        help="build it, trace it with fvcore and hold every number against the arithmetic",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what was asked for; return 1 where `--check` finds a difference."""
    spec = edited_spec(args.spec, args.edits)
    size = args.input or spec.input
    rows = spec.trace(size)
    if args.toml:
        print(to_toml(spec), end="")
    elif args.json:
        print(json.dumps(as_json(spec, size, rows), indent=2))
    elif args.why:
        print_why(spec, console())
    else:
        print_table(spec, size, rows, console())
    # What a machine reads from stdout stays what it is; the outcome goes beside it.
    return check(spec, size, console(stderr=args.json or args.toml)) if args.check else 0


def check(spec: Spec, size: Size, out: Console) -> int:
    """Prove the spec's costs on the built network and say the outcome; 1 if anything differs."""
    from fuseablate.proof import prove

    differences = prove(spec, size)
    for difference in differences:
        out.print(f"[red]differs[/] {difference}", soft_wrap=True)
    if differences:
        return 1
    name = escape(f"{spec.name} {spec.label}".strip())
    out.print(
        f"[green]proved[/] {name} at {size[0]}x{size[1]}: the built network, traced with fvcore, "
        f"has the shape, params and MACs of each of the {len(spec.rows)} rows",
        soft_wrap=True,
    )
    return 0


def as_json(spec: Spec, size: Size, rows: tuple[TracedRow, ...]) -> dict[str, Any]:
    """Return the table for machines."""
    total = sum((row.cost for row in rows), Cost())
    return {
        "spec": spec.name,
        "edits": list(spec.edits),
        "input": input_json(size),
        "params": total.params,
        "macs": total.macs,
        "rows": [
            {
                "row": traced.row.id,
                "op": traced.row.op,
                "in_shape": list(traced.in_shape),
                "out_shape": list(traced.out_shape),
                "params": traced.cost.params,
                "macs": traced.cost.macs,
                "cells": traced.row.cells(),
            }
            for traced in rows
        ],
    }


def print_table(spec: Spec, size: Size, rows: tuple[TracedRow, ...], out: Console) -> None:
    """Print the source table's columns, then output shape, params and MACs."""
    wide = out.width >= WIDE
    table = Table(box=None, padding=(0, 2 if wide else 1, 0, 0), pad_edge=False)
    for name in ("Row", "Input HxWxC", "Operator") if wide else ("#", "Input", "Op"):
        table.add_column(name, no_wrap=True)
    for name in ("Kernel", "BN"):
        table.add_column(name, no_wrap=True)
    for name in ("exp", "out"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("SE", "NL", "stride" if wide else "s"):
        table.add_column(name, no_wrap=True)
    table.add_column("Output", no_wrap=True, style="cyan")
    for name in ("Params", "MACs"):
        table.add_column(name, justify="right", no_wrap=True, style="cyan")
    number = (lambda n: f"{n:,}") if wide else short
    for traced in rows:
        table.add_row(
            *source_cells(traced, spec, wide),
            size_text(traced.out_shape),
            number(traced.cost.params),
            number(traced.cost.macs),
        )
    total = sum((row.cost for row in rows), Cost())
    name = f"[bold]{escape(spec.name)}[/]" + (f" with {spec.label}" if spec.edits else "")
    out.print(f"{name}  {escape(spec.title)}".rstrip(), soft_wrap=True)
    # A terminal too narrow may break the lines, but no number is cut short.
    table.width = out.measure(table, options=out.options.update(max_width=1000)).maximum
    out.print(table, crop=False)
    for note in notes(rows):
        out.print(note, style="yellow", soft_wrap=True)
    out.print(
        f"[bold]{total.params:,} params, {total.macs:,} MACs[/] "
        f"(convolutions and linear layers, one {size[0]}x{size[1]} image)",
        soft_wrap=True,
    )
    out.print(
        f"activations {total.activations:,}; saved {total.bytes / 1e6:.2f} MB; apart from the "
        f"MACs: norm {total.norm:,}, pooling {total.pool:,}, elementwise {total.elementwise:,} "
        "numbers",
        style="dim",
        soft_wrap=True,
    )


def source_cells(traced: TracedRow, spec: Spec, wide: bool) -> list[str]:
    """Return a row as the source's table writes it; "-" is an absent cell."""
    row, cells = traced.row, traced.row.cells()
    out = spec.classes if cells.get("out") == "classes" else cells.get("out")
    title = row.title if wide or len(row.title) < 8 else row.short_title
    return [
        row.id,
        size_text(traced.in_shape),
        title,
        row.kernel_text(traced.in_shape),
        "Yes" if cells.get("norm") == "batch" else "No",
        _dash(cells.get("exp")),
        _dash(out),
        {None: "-", True: "Yes", False: "No"}[cells.get("se")],
        NAMES.get(str(cells.get("nl")), str(cells.get("nl"))) if cells.get("nl") else "-",
        str(cells.get("stride", 1)),
    ]


NAMES = {
    "relu": "ReLU",
    "relu6": "ReLU6",
    "hswish": "H-Swish",
    "swish": "Swish",
    "gelu": "GELU",
    "mish": "Mish",
    "leaky_relu": "LReLU",
    "elu": "ELU",
    "identity": "none",
}


def _dash(value: object) -> str:
    return "-" if value is None else str(value)


def notes(rows: tuple[TracedRow, ...]) -> list[str]:
    """Return one line for each choice beyond the table's columns that is not at its default."""
    found: dict[str, list[str]] = {}
    for traced in rows:
        for name, value in beyond_columns(traced.row).items():
            if name != "residual":
                text = value if isinstance(value, str) else json.dumps(value)
                found.setdefault(f"{name}={text}", []).append(traced.row.id)
        if "residual" in traced.row.cells() and holds(traced.layer, Add, Sum):
            found.setdefault("residual=true", []).append(traced.row.id)
    return [f"{choice} in row {', '.join(ids)}" for choice, ids in found.items()]


def beyond_columns(row: Row) -> dict[str, Any]:
    """Return the cells without a column of their own that differ from their defaults."""
    columns = {"kernel", "norm", "exp", "out", "se", "nl", "stride"}
    defaults = row.defaults()
    return {
        name: value
        for name, value in row.cells().items()
        if name not in columns and value != defaults.get(name)
    }


def print_why(spec: Spec, out: Console) -> None:
    """Print for each choice whether the source says it or it was inferred."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("Choice", "From", "Why"):
        table.add_column(name, no_wrap=name != "Why")
    for why in spec.why:
        style = "green" if why.origin == "source" else "yellow"
        choice, reason = escape(f"{why.field}={why.value}"), escape(str(why.reason))
        table.add_row(choice, f"[{style}]{why.origin}[/]", reason)
    out.print(f"[bold]{escape(spec.name)}[/]  {escape(spec.source)}", soft_wrap=True)
    if spec.why:
        out.print(table)
    else:
        out.print("The spec names no reasons; add [[why]] tables to its file.")
