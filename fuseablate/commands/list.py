"""`fuseablate list`: the tables that come with the package, with what each costs."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from fuseablate.commands.arguments import add_columns
from fuseablate.cost import SUMMARY, cost_kinds, spec_costs
from fuseablate.errors import unknown
from fuseablate.io.terminal import bare_table, console
from fuseablate.spec import Spec, load_spec, plain_size, shipped_specs

LEAST_SOURCE = 12  # characters of a source that still say something


@dataclass(frozen=True)
class ListedSpec:
    """A shipped table and its costs, by name, at its own input."""

    spec: Spec
    costs: Mapping[str, float]

    @property
    def rows(self) -> int:
        """The rows as the table is written: repeats of a row count once."""
        return len({row.base for row in self.spec.rows})

    @property
    def forms(self) -> list[str]:
        return [form.name for form in self.spec.forms]


def add(commands: Any) -> None:
    parser = commands.add_parser("list", help="the shipped networks: params, MACs, input, source")
    parser.add_argument("part", nargs="?", default="", metavar="NAMEPART", help="part of a name")
    add_columns(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON list")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the catalogue, or those of it whose names have the part."""
    entries = catalogue(args.part, args.columns)
    if args.json:
        print(json.dumps([entry_data(entry) for entry in entries], indent=2))
    else:
        print_entries(entries, console(), full=bool(args.part))
    return 0


def catalogue(part: str = "", costs: Sequence[str] = SUMMARY) -> list[ListedSpec]:
    """Return the shipped tables whose names contain `part`, 18 before 101 within a family."""
    shipped = shipped_specs()
    names = sorted((name for name in shipped if part.lower() in name), key=natural)
    if not names:
        raise unknown("network", part, shipped)
    specs = [load_spec(name) for name in names]
    return [ListedSpec(spec, spec_costs(spec, costs)) for spec in specs]


def natural(name: str) -> list[tuple[int, str]]:
    """Return the key that sorts names with their numbers as numbers, and 800mf before 1_6gf."""

    def in_mf(match: re.Match[str]) -> str:
        return f"{int(match[1]) * 1000 + int(match[2] or 0) * 100}mf"

    parts = re.findall(r"\d+|\D+", re.sub(r"(\d+)(?:_(\d))?gf", in_mf, name))
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1].rstrip()}…"


def entry_data(entry: ListedSpec) -> dict[str, Any]:
    spec = entry.spec
    return {
        "name": spec.name,
        "title": spec.title,
        "rows": entry.rows,
        "blocks": len(spec.rows),
        **entry.costs,
        "input": plain_size(spec.input),
        "classes": spec.classes,
        "forms": entry.forms,
        "source": spec.source,
    }


def print_entries(entries: list[ListedSpec], out: Console, *, full: bool) -> None:
    """Print a line for each; unless `full`, the source is cut at the edge."""
    table = entry_table(entries)
    table.width = out.measure(table, options=out.options.update(max_width=1000)).maximum
    room = out.width - table.width
    if room > LEAST_SOURCE:
        table = entry_table(entries, room, full=full)
    out.print(table, crop=False)
    count = f"{len(entries)} networks" if len(entries) > 1 else "1 network"
    out.print(f"{count}; MACs for one image of the input's size. `fuseablate show NAME` prints the "
              "table, NAME:FORM is one of its forms", style="dim", soft_wrap=True)  # fmt: skip


def entry_table(entries: list[ListedSpec], room: int = 0, *, full: bool = False) -> Table:
    """Return the table; the source takes what room the numbers leave, if any."""
    table = bare_table(tight=1)
    table.add_column("Name", no_wrap=True)
    kinds = cost_kinds(entries[0].costs)
    for name in ("Rows", *(kind.heading for kind in kinds), "Input", "Classes"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Forms", no_wrap=True)
    if room:
        table.add_column("Source", style="dim", width=room - 1)
    for entry in entries:
        spec = entry.spec
        h, w = spec.input
        source = spec.source if full else cut(spec.source, room - 1)
        table.add_row(
            spec.name,
            str(entry.rows),
            *(kind.short(entry.costs[kind.name]) for kind in kinds),
            str(h) if h == w else f"{h}x{w}",
            str(spec.classes),
            " ".join(entry.forms) or "-",
            *([source] if room else []),
        )
    return table
