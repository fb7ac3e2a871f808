"""`fuseablate cost`: what specs cost, side by side, without torch."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple

from rich.table import Table
from rich.text import Text

from fuseablate.commands.arguments import add_edits, add_input, edited_spec, input_json, whole
from fuseablate.cost import (
    BUDGETS,
    COSTS,
    SUMMARY,
    CostKind,
    cycles,
    inference_memory,
    load_hardware,
    measure,
    nearness,
    rescaled,
    training_memory,
)
from fuseablate.errors import InputError
from fuseablate.io.terminal import change, console, fitted, named_table
from fuseablate.spec import IMAGE_CHANNELS, Size, Spec, load_spec

SHOWN = (*SUMMARY, "activations", "bytes")


class CostColumn(NamedTuple):
    """A cost, and what it is read from for a spec at an input size."""

    kind: CostKind
    of: Callable[[Spec, Size | None], Any]

    def value(self, spec: Spec, size: Size | None) -> float:
        return float(self.kind.get(self.of(spec, size)))


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "cost", help="params, MACs, size, cycles and memory of specs, side by side"
    )
    parser.add_argument("spec", nargs="+", help="shipped specs or paths to .toml files")
    add_edits(parser)
    add_input(parser)
    parser.add_argument(
        "--iso",
        choices=BUDGETS,
        help="also rescale the edited spec in width to the unedited one's cost",
    )
    parser.add_argument(
        "--hardware",
        metavar="NAME|FILE",
        help="cycles of an image on a systolic array, too: a shipped one such as systolic64, or "
        "the path of a .toml",
    )
    parser.add_argument(
        "--batch",
        type=whole(1),
        metavar="N",
        help="peak memory of N images, too: classified, and in a training step (float32, SGD with "
        "momentum)",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list")
    parser.add_argument(
        "--check", action="store_true", help="trace each with fvcore; any difference exits with 1"
    )
    parser.set_defaults(run=run)


def columns_of(args: argparse.Namespace) -> dict[str, CostColumn]:
    """Return the costs that are asked for, by their names for machines."""
    columns = {name: CostColumn(COSTS[name], measure) for name in SHOWN}
    if args.hardware:
        array = load_hardware(args.hardware)

        def taken(spec: Spec, size: Size | None) -> int:
            return cycles(spec.layers(size), (IMAGE_CHANNELS, *(size or spec.input)), array)

        columns["cycles"] = CostColumn(CostKind(title="Cycles", unit="cycles", get=float), taken)
    if batch := args.batch:
        for name, title, of in (
            ("inference_memory", "Inference", inference_memory),
            ("training_memory", "Training", training_memory),
        ):
            kind = CostKind(
                title=f"{title} of {batch}", unit="MB", get=attrgetter("total"), per=1e6, decimals=1
            )
            columns[name] = CostColumn(kind, partial(of, batch=batch))
    return columns


def run(args: argparse.Namespace) -> int:
    """Print the costs; return 1 where `--check` finds a difference."""
    if args.iso and not args.edits:
        raise InputError("--iso: rescales an edited spec, and there is no edit; add --set")
    plain = [load_spec(name) for name in args.spec]
    specs = [edited_spec(name, args.edits, bool(args.iso)) for name in args.spec]
    pairs = list(zip(specs, plain, strict=True))
    if args.json:
        print(json.dumps([as_json(*pair, args) for pair in pairs], indent=2))
    else:
        print_table(specs, plain, args)
    return check_all(specs, args) if args.check else 0


def check_all(specs: list[Spec], args: argparse.Namespace) -> int:
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
            said = Text.assemble(("verified", "green"), f" {name}: equal to fvcore's trace")
            console(stderr=True).print(said)
        failed |= bool(differences)
    return failed


def as_json(spec: Spec, plain: Spec, args: argparse.Namespace) -> dict[str, Any]:
    """Return one spec's costs for machines, with those of the unedited table beside them.

    With `--iso` also those of the spec rescaled to the unedited one's cost.
    """
    size, iso = args.input, args.iso
    asked = {name: column for name, column in columns_of(args).items() if name not in SHOWN}

    def costs(some: Spec) -> dict[str, Any]:
        more = {name: int(column.value(some, size)) for name, column in asked.items()}
        return measure(some, size)._asdict() | more

    entry: dict[str, Any] = {
        "spec": spec.name,
        "edits": list(spec.edits),
        "input": input_json(size or spec.input),
        **costs(spec),
    }
    if spec.edits:
        entry["unedited"] = costs(plain)
    if iso:
        fitted = rescaled(spec, iso, getattr(measure(plain, size), iso), size)
        entry["iso"] = {"edits": list(fitted.edits), **costs(fitted)}
    return entry


def print_table(specs: list[Spec], plain: list[Spec], args: argparse.Namespace) -> None:
    """Print a row for each spec, an edited one below its table with the changes in percent.

    With `--iso` one more, rescaled, and how near it comes to the cost of the table.
    """
    size, iso, columns = args.input, args.iso, list(columns_of(args).values())
    rows: list[tuple[str, str, dict[str, str]]] = []  # the name, the style, the cells
    reached = []
    for spec, before in zip(specs, plain, strict=True):
        base = [column.value(before, size) for column in columns]
        rows.append((before.name, "", cells(before, size, columns, base)))
        if spec.edits:
            rows += changed_rows(spec, size, columns, base)
        if iso:
            target = getattr(measure(before, size), iso)
            fit = rescaled(spec, iso, target, size)
            rows += changed_rows(fit, size, columns, base)
            reached.append(f"{before.name}: {nearness(fit, iso, target, size)}")

    def make(some: Sequence[str], tight: int) -> Table:
        table = named_table("Spec", 1 if tight else 2, least=None)
        for name in some:
            table.add_column(name, justify="right", no_wrap=True)
        for name, style, row in rows:
            table.add_row(name, *(row.get(column, "") for column in some), style=style)
        return table

    out = console()
    heads = [column.kind.heading for column in columns]
    spare = [*heads[len(SUMMARY) : len(SHOWN)][::-1], "Input"]
    table, _ = fitted(make, ("Input", *heads), spare, out)
    out.print(table)
    for line in reached:
        out.print(line, soft_wrap=True)


def changed_rows(
    spec: Spec, size: Size | None, columns: Sequence[CostColumn], base: Sequence[float]
) -> list[tuple[str, str, dict[str, str]]]:
    """Return the row of an edited spec, and one with its changes from `base` in percent."""
    values = [column.value(spec, size) for column in columns]
    heads = [column.kind.heading for column in columns]
    changes = dict(zip(heads, map(change, values, base), strict=True))
    return [
        (f"  {spec.label}", "", cells(spec, size, columns, values)),
        ("", "cyan", changes),
    ]


def cells(
    spec: Spec, size: Size | None, columns: Sequence[CostColumn], values: Sequence[float]
) -> dict[str, str]:
    """Return a row of the table, by the names of its columns."""
    h, w = size or spec.input
    texts = {
        column.kind.heading: column.kind.full(value)
        for column, value in zip(columns, values, strict=True)
    }
    return {"Input": f"{h}x{w}"} | texts
