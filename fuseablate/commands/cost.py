"""`fuseablate cost`: params, MACs, activations and size of specs, side by side, without torch."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from fuseablate.commands.arguments import add_edits, add_input, edited_spec, input_json
from fuseablate.cost import BUDGETS, COSTS, SUMMARY, measure, nearness, rescaled
from fuseablate.errors import InputError
from fuseablate.io.terminal import change, console, fitted, named_table
from fuseablate.layers import Cost
from fuseablate.spec import Size, Spec, load_spec

SHOWN = {COSTS[name].heading: COSTS[name] for name in (*SUMMARY, "activations", "bytes")}


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser("cost", help="params, MACs and size of specs, side by side")
    parser.add_argument("spec", nargs="+", help="shipped specs or paths to .toml files")
    add_edits(parser)
    add_input(parser)
    parser.add_argument(
        "--iso",
        choices=BUDGETS,
        help="also rescale the edited spec in width to the unedited one's cost",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list")
    parser.add_argument(
        "--check", action="store_true", help="trace each with fvcore; any difference exits with 1"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the costs; return 1 where `--check` finds a difference."""
    if args.iso and not args.edits:
        raise InputError("--iso: rescales an edited spec, and there is no edit; add --set")
    plain = [load_spec(name) for name in args.spec]
    specs = [edited_spec(name, args.edits, bool(args.iso)) for name in args.spec]
    pairs = list(zip(specs, plain, strict=True))
    if args.json:
        print(json.dumps([as_json(*pair, args.input, args.iso) for pair in pairs], indent=2))
    else:
        print_table(specs, plain, args.input, args.iso)
    return prove_all(specs, args) if args.check else 0


def prove_all(specs: list[Spec], args: argparse.Namespace) -> int:
    """Trace each spec and say the outcome on stderr, so that JSON stays JSON."""
    from fuseablate.network.check import cross_check

    failed = 0
    for spec in specs:
        differences = cross_check(spec, args.input)
        name = f"{spec.name} {spec.label}".strip()
        for difference in differences:
            said = Text.assemble(("differs", "red"), f" {name}: {difference}")
            console(stderr=True).print(said, soft_wrap=True)
        if not differences:
            said = Text.assemble(("proved", "green"), f" {name}: equal to fvcore's trace")
            console(stderr=True).print(said)
        failed |= bool(differences)
    return failed


def as_json(spec: Spec, plain: Spec, size: Size | None, iso: str | None = None) -> dict[str, Any]:
    """Return one spec's costs for machines, with those of the unedited table beside them.

    With `iso` also those of the spec rescaled to the unedited one's cost.
    """
    entry: dict[str, Any] = {
        "spec": spec.name,
        "edits": list(spec.edits),
        "input": input_json(size or spec.input),
        **measure(spec, size)._asdict(),
    }
    if spec.edits:
        entry["unedited"] = measure(plain, size)._asdict()
    if iso:
        fitted = rescaled(spec, iso, getattr(measure(plain, size), iso), size)
        entry["iso"] = {"edits": list(fitted.edits), **measure(fitted, size)._asdict()}
    return entry


def print_table(
    specs: list[Spec], plain: list[Spec], size: Size | None, iso: str | None = None
) -> None:
    """Print a row for each spec, an edited one below its table with the changes in percent.

    With `iso` one more, rescaled, and how near it comes to the cost of the table.
    """
    rows: list[tuple[str, str, dict[str, str]]] = []  # the name, the style, the cells
    reached = []
    for spec, before in zip(specs, plain, strict=True):
        base = measure(before, size)
        rows.append((before.name, "", cells(before, size, base)))
        if spec.edits:
            rows += changed(spec, base, size)
        if iso:
            target = getattr(base, iso)
            fit = rescaled(spec, iso, target, size)
            rows += changed(fit, base, size)
            reached.append(f"{before.name}: {nearness(fit, iso, target, size)}")

    def make(some: Sequence[str], tight: int) -> Table:
        table = named_table("Spec", 1 if tight else 2, least=None)
        for name in some:
            table.add_column(name, justify="right", no_wrap=True)
        for name, style, row in rows:
            table.add_row(name, *(row.get(column, "") for column in some), style=style)
        return table

    out = console()
    table, _ = fitted(make, ("Input", *SHOWN), (*list(SHOWN)[:1:-1], "Input"), out)
    out.print(table)
    for line in reached:
        out.print(line, soft_wrap=True)


def changed(spec: Spec, base: Cost, size: Size | None) -> list[tuple[str, str, dict[str, str]]]:
    """Return the row of an edited spec, and one with its changes from `base` in percent."""
    cost = measure(spec, size)
    changes = {head: change(kind.get(cost), kind.get(base)) for head, kind in SHOWN.items()}
    return [
        (f"  {spec.label}", "", cells(spec, size, cost)),
        ("", "cyan", changes),
    ]


def cells(spec: Spec, size: Size | None, cost: Cost) -> dict[str, str]:
    """Return a row of the table, by the names of its columns."""
    h, w = size or spec.input
    return {"Input": f"{h}x{w}"} | {head: kind.full(kind.get(cost)) for head, kind in SHOWN.items()}
