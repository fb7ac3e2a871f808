"""`fuseablate cost`: what specs cost, side by side, without torch."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from fuseablate.commands.arguments import (
    add_columns,
    add_edits,
    add_input,
    argument,
    edited_spec,
    whole_number,
)
from fuseablate.commands.completion import complete_names
from fuseablate.cost import (
    BUDGETS,
    SUMMARY,
    CostKind,
    cost_kinds,
    largest_batch,
    limited,
    measure,
    nearness,
    rescaled,
)
from fuseablate.errors import InputError
from fuseablate.io.terminal import change, console, counted, fitted, named_table
from fuseablate.spec import Size, Spec, load_spec, plain_size

SHOWN_COSTS = (*SUMMARY, "activations", "bytes")


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "cost", help="params, MACs, size, cycles and memory of specs, side by side"
    )
    complete_names(
        parser.add_argument("spec", nargs="+", help="shipped specs or paths to .toml files")
    )
    add_edits(parser)
    add_input(parser)
    add_columns(parser, SHOWN_COSTS)
    parser.add_argument(
        "--iso",
        type=argument(lambda text: limited(text).name),
        metavar="COST",
        help="also rescale the edited spec in width to the unedited one's cost: "
        f"{', '.join(BUDGETS)}",
    )
    parser.add_argument(
        "--hardware",
        metavar="NAME|FILE",
        help="the column cycles@NAME, too: cycles of an image on a systolic array, a shipped one "
        "such as systolic64, or the path of a .toml",
    )
    parser.add_argument(
        "--batch",
        type=whole_number(1),
        metavar="N",
        help="the columns inference_memory@N and training_memory@N, too: peak memory of N images",
    )
    parser.add_argument(
        "--fits",
        type=argument(memory_size),
        metavar="BYTES",
        help="also say of how many images a training step takes at most so much memory, such as "
        "8G (float32, SGD with momentum)",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list")
    parser.add_argument(
        "--check", action="store_true", help="trace each with fvcore; any difference exits with 1"
    )
    parser.set_defaults(run=run)


def chosen_kinds(args: argparse.Namespace) -> tuple[CostKind, ...]:
    """Return the costs that are asked for."""
    names = list(args.columns)
    if args.hardware:
        names.append(f"cycles@{args.hardware}")
    if args.batch:
        names += [f"inference_memory@{args.batch}", f"training_memory@{args.batch}"]
    return tuple(cost_kinds(dict.fromkeys(names)))


def memory_size(text: str) -> int:
    """Return the bytes that `8G` or `500M` writes."""
    from fuseablate.space import amount

    try:
        return int(str(amount(text)))
    except ValueError:
        raise InputError(f"'{text}' is not a number of bytes, such as 500M or 8G") from None


def run(args: argparse.Namespace) -> int:
    """Print the costs; return 1 where `--check` finds a difference."""
    if args.iso and not args.edits:
        raise InputError("--iso: rescales an edited spec, and there is no edit; add --set")
    plain = [load_spec(name) for name in args.spec]
    specs = [edited_spec(name, args.edits, bool(args.iso)) for name in args.spec]
    pairs = list(zip(specs, plain, strict=True))
    if args.json:
        print(json.dumps([cost_data(*pair, args) for pair in pairs], indent=2))
    else:
        print_costs(specs, plain, args)
    return check_all(specs, args) if args.check else 0


def check_all(specs: list[Spec], args: argparse.Namespace) -> int:
    """Trace each spec and say the outcome on stderr, so that JSON stays JSON."""
    from fuseablate.network.check import verify

    failed = 0
    for spec in specs:
        differences = verify(spec, args.input)
        for difference in differences:
            said = Text.assemble(("differs", "red"), f" {spec.called}: {difference}")
            console(stderr=True).print(said, soft_wrap=True)
        if not differences:
            said = Text.assemble(("verified", "green"), f" {spec.called}: equal to fvcore's trace")
            console(stderr=True).print(said)
        failed |= bool(differences)
    return failed


def cost_data(spec: Spec, plain: Spec, args: argparse.Namespace) -> dict[str, Any]:
    """Return one spec's costs for machines, with those of the unedited table beside them.

    With `--iso` also those of the spec rescaled to the unedited one's cost.
    """
    size, iso = args.input, args.iso
    kinds = chosen_kinds(args)

    def costs(some: Spec) -> dict[str, Any]:
        rows = some.infer(size)
        return measure(some, size)._asdict() | {kind.name: kind.total(rows) for kind in kinds}

    fits = {} if args.fits is None else {"largest_batch": largest_batch(spec, args.fits, size)}
    entry: dict[str, Any] = {
        "spec": spec.name,
        "edits": list(spec.edits),
        "input": plain_size(size or spec.input),
        **costs(spec),
        **fits,
    }
    if spec.edits:
        entry["unedited"] = costs(plain)
    if iso:
        fitted = rescaled(spec, iso, plain, size)
        entry["iso"] = {"edits": list(fitted.edits), **costs(fitted)}
    return entry


def print_costs(specs: list[Spec], plain: list[Spec], args: argparse.Namespace) -> None:
    """Print a row for each spec, an edited one below its table with the changes in percent.

    With `--iso` one more, rescaled, and how near it comes to the cost of the table.
    """
    size, iso, kinds = args.input, args.iso, chosen_kinds(args)
    rows: list[tuple[str, str, dict[str, str]]] = []  # the name, the style, the cells
    reached = []
    for spec, before in zip(specs, plain, strict=True):
        base = values_of(before, size, kinds)
        rows.append((before.name, "", cells(before, size, kinds, base)))
        if spec.edits:
            rows += changed_rows(spec, size, kinds, base)
        if iso:
            target = limited(iso).total(before.infer(size))
            fit = rescaled(spec, iso, target, size)
            rows += changed_rows(fit, size, kinds, base)
            reached.append(f"{before.name}: {nearness(fit, iso, target, size)}")

    def make(some: Sequence[str], tight: int) -> Table:
        table = named_table("Spec", tight, least=None)
        for name in some:
            table.add_column(heads.get(name, name), justify="right", no_wrap=True)
        for name, style, row in rows:
            table.add_row(name, *(row.get(column, "") for column in some), style=style)
        return table

    out = console()
    # By name: machines in files of one name in two folders have one heading.
    heads = {kind.name: kind.heading for kind in kinds}
    # What nobody asked for is left out where there is no room.
    spare = () if args.columns != SHOWN_COSTS else SHOWN_COSTS[len(SUMMARY) :][::-1]
    table, _ = fitted(make, ("Input", *heads), [*spare, "Input"], out)
    out.print(table)
    for line in reached:
        out.print(line, soft_wrap=True)
    for spec in specs if args.fits is not None else ():
        batch, most = largest_batch(spec, args.fits, size), f"{args.fits / 1e6:,.0f} MB"
        of = f"of up to {counted(batch, 'image')}" if batch else "of one image takes more, and none"
        out.print(f"{spec.called}: a training step {of} takes at most {most}", soft_wrap=True)


def values_of(spec: Spec, size: Size | None, kinds: Sequence[CostKind]) -> list[float]:
    rows = spec.infer(size)
    return [kind.total(rows) for kind in kinds]


def changed_rows(
    spec: Spec, size: Size | None, kinds: Sequence[CostKind], base: Sequence[float]
) -> list[tuple[str, str, dict[str, str]]]:
    """Return the row of an edited spec, and one with its changes from `base` in percent."""
    values = values_of(spec, size, kinds)
    names = [kind.name for kind in kinds]
    changes = dict(zip(names, map(change, values, base), strict=True))
    return [
        (f"  {spec.label}", "", cells(spec, size, kinds, values)),
        ("", "cyan", changes),
    ]


def cells(
    spec: Spec, size: Size | None, kinds: Sequence[CostKind], values: Sequence[float]
) -> dict[str, str]:
    """Return a row of the table, by the names of its columns."""
    h, w = size or spec.input
    texts = {kind.name: kind.full(value) for kind, value in zip(kinds, values, strict=True)}
    return {"Input": f"{h}x{w}"} | texts
