"""`fuseablate diff`: two specs row by row, with the fields that differ and what they cost."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from fuseablate.commands.arguments import add_columns, add_input, edited_spec
from fuseablate.commands.completion import complete_names
from fuseablate.cost import CostKind, cost_kinds
from fuseablate.io.terminal import console
from fuseablate.show import Sides, print_difference
from fuseablate.spec import Difference, Size, diff, plain_size


def add(commands: Any) -> None:
    parser = commands.add_parser("diff", help="two specs row by row: fields and costs that differ")
    for side in ("a", "b"):
        help = "a shipped spec or a path to a .toml"
        complete_names(parser.add_argument(side, metavar=side.upper(), help=help))
        parser.add_argument(
            f"--set-{side}",
            metavar="EDIT",
            action="append",
            default=[],
            help=f"an edit of {side.upper()}, such as all.se=false; may be given again",
        )
    add_input(parser)
    add_columns(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print how the two differ."""
    specs = edited_spec(args.a, args.set_a), edited_spec(args.b, args.set_b)
    difference = diff(*specs, args.input)
    names = specs[0].name, specs[1].name
    if names[0] == names[1] and args.a != args.b:  # two files of one name
        names = f"{names[0]} ({args.a})", f"{names[1]} ({args.b})"
    if args.json:
        kinds = cost_kinds(args.columns)
        print(json.dumps(difference_data(names, difference, args.input, kinds), indent=2))
    else:
        print_difference(difference, console(), names=names, costs=args.columns)
    return 0


def difference_data(
    names: tuple[str, str],
    difference: Difference,
    size: Size | None,
    kinds: Sequence[CostKind],
) -> dict[str, Any]:
    """Return the difference for machines; a pair is what A has, then what B has."""
    return {
        **{
            side: {
                "spec": name,
                "edits": list(spec.edits),
                "input": plain_size(size or spec.input),
            }
            for side, name, spec in zip("ab", names, difference.specs, strict=True)
        },
        "same": difference.same,
        **_costs(difference.sides, kinds),
        "keys": difference.keys,
        "rows": [
            {
                "row": row.id,
                "in": "ab" if row.before and row.after else "a" if row.before else "b",
                "fields": row.fields,
                **_costs(row.sides, kinds),
            }
            for row in difference.rows
        ],
    }


def _costs(sides: Sides, kinds: Sequence[CostKind]) -> dict[str, list[float]]:
    return {kind.name: [kind.total(rows) for rows in sides] for kind in kinds}
