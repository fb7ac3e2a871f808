"""A spec's table on a terminal: the columns that its rows use, their shapes and costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fuseablate.cost import SUMMARY, CostKind, cost_kind
from fuseablate.io.terminal import bare_table, fitted, print_whole, size_text
from fuseablate.layers import ACTIVATIONS, Cost
from fuseablate.ops.pool import WindowPool
from fuseablate.ops.shared import GATE_TITLES
from fuseablate.show.lines import NORMS, TableLine, folded, notes
from fuseablate.spec import Size, Spec

WIDE = 118  # columns from which every number is written in full
# What can be missed where a terminal has no room, the first the most: an input is the output of the
# row above it, and a stride shows in the two.
SPARE = ("Input", "BN", "Norm", "s", "growth", "inner", "exp", "SE", "NL", "Kernel")


def print_spec(spec: Spec, out: Console) -> None:
    """Print a table as `show` does where nothing else is asked for."""
    kinds = [cost_kind(name) for name in SUMMARY]
    print_table(spec, spec.input, folded(spec.infer()), kinds, out, edits=(), full=False)


@dataclass(frozen=True)
class SpecColumn:
    """A column: what a line has in it, and whether a line has anything of the kind at all."""

    wide: str
    narrow: str
    text: Callable[[TableLine], str]
    used: Callable[[TableLine], bool] = lambda line: True
    right: bool = False
    style: str | None = None


def print_table(
    spec: Spec,
    size: Size,
    lines: Sequence[TableLine],
    kinds: Sequence[CostKind],
    out: Console,
    *,
    edits: Sequence[str],
    full: bool,
) -> None:
    """Print the source table's columns, then output shape and the costs of those kinds.

    edits: those of the form that the spec is in. full: print every note.
    """
    wide = out.width >= WIDE
    columns = {
        column.narrow: column
        for column in table_columns(spec, lines, kinds, wide)
        if any(column.used(line) for line in lines)
    }

    def make(names: Sequence[str], tight: int) -> Table:
        table = bare_table(tight)
        for column in map(columns.__getitem__, names):
            table.add_column(
                column.wide if wide else column.narrow,
                justify="right" if column.right else "left",
                no_wrap=True,
                style=column.style,
            )
        for line in lines:
            table.add_row(*(columns[name].text(line) for name in names))
        return table

    label = f" with {spec.label}" if spec.edits else ""
    title = f"{label}  {spec.title}".rstrip()
    out.print(Text.assemble((spec.name, "bold"), title))
    if edits:
        out.print(f"in this form: {' '.join(edits)}", style="yellow")
    table, left_out = fitted(make, [*columns], SPARE, out)
    print_whole(table, out)
    if left_out:
        out.print(f"No room here for {', '.join(left_out)}.", style="dim")
    if repeated := next((line for line in lines if len(line.rows) > 1), None):
        out.print(
            f"{repeated.label}: {len(repeated.rows)} rows in one line, from the input of the "
            "first to the output of the last; --all shows each",
            style="dim",
        )
    for note in notes(lines, full=full):
        out.print(note, style="yellow")
    total = Cost.total(line.cost for line in lines)
    print_cost(total, out, image=f"{size[0]}x{size[1]} image")
    rows = [row for line in lines for row in line.rows]
    for kind in kinds:
        if kind.name not in SUMMARY:
            exact = (kind.exact(kind.total(rows)), "bold")
            of = f"{'' if kind.unit in kind.word.lower() else f' {kind.title.lower()}'}: "
            out.print(Text.assemble(exact, of, kind.source))
    for form in spec.forms:
        text = f"form {spec.name}:{form.name}: {' '.join(form.edits)}"
        out.print(text, style="dim")


def print_cost(cost: Cost, out: Console, image: str = "image") -> None:
    """Print what `image` costs, with what is never mixed into its MACs."""
    counted = f"{cost.params:,} params, {cost.macs:,} MACs"
    of = f" (convolutions and linear layers, one {image})"
    out.print(Text.assemble((counted, "bold"), of))
    out.print(
        f"activations {cost.activations:,}; saved {cost.bytes / 1e6:.2f} MB; apart from the "
        f"MACs: norm {cost.norm:,}, pooling {cost.pool:,}, elementwise {cost.elementwise:,} "
        "numbers",
        style="dim",
    )


def table_columns(
    spec: Spec, lines: Sequence[TableLine], kinds: Sequence[CostKind], wide: bool
) -> list[SpecColumn]:
    """Return the columns that a table may have, in order."""
    several = any(line.row.values().get("norm") in ("group", "layer") for line in lines)

    def title(line: TableLine) -> str:
        row = line.row
        return row.title if wide or len(row.title) < 8 else row.short_title or row.title

    def norm(line: TableLine) -> str:
        kind = line.row.values().get("norm")
        return NORMS.get(str(kind), "No") if several else "Yes" if kind == "batch" else "No"

    def channels(name: str, head: str | None = None) -> SpecColumn:
        def text(line: TableLine) -> str:
            value = line.row.values().get(name)
            value = spec.classes if value == "classes" else value
            return "-" if value is None else str(value)

        return SpecColumn(
            head or name, head or name, text, lambda line: _has(line, name), right=True
        )

    def cost(kind: CostKind) -> SpecColumn:
        number = kind.full if wide else kind.short
        return SpecColumn(
            kind.heading, kind.heading, lambda line: number(kind.total(line.rows)), right=True,
            style="cyan",
        )  # fmt: skip

    head = "Norm" if several else "BN"
    return [
        SpecColumn("Row", "#", lambda line: line.label),
        SpecColumn("Input HxWxC", "Input", lambda line: size_text(line.first.in_shape)),
        SpecColumn("Operator", "Op", title),
        SpecColumn("Kernel", "Kernel", lambda line: line.row.kernel_text(line.first.in_shape)),
        SpecColumn(head, head, norm, lambda line: line.row.values().get("norm") in NORMS),
        channels("exp"),
        channels("inner"),
        channels("growth"),
        channels("out"),
        SpecColumn("SE", "SE", _se, lambda line: line.row.values().get("se") is True),
        SpecColumn("NL", "NL", _nl, lambda line: _has(line, "nl")),
        SpecColumn("stride", "s", _stride),
        SpecColumn("Output", "Output", lambda line: size_text(line.last.out_shape), style="cyan"),
        *map(cost, kinds),
    ]


def _has(line: TableLine, name: str) -> bool:
    return line.row.values().get(name) is not None


def _se(line: TableLine) -> str:
    values = line.row.values()
    kind = values.get("se_kind", "se")
    yes = "Yes" if kind == "se" else GATE_TITLES[kind]
    return {None: "-", True: yes, False: "No"}[values.get("se")]


def _nl(line: TableLine) -> str:
    name = line.row.values().get("nl")
    if name is None:
        return "-"
    return "none" if name == "identity" else ACTIVATIONS[name].title


def _stride(line: TableLine) -> str:
    row = line.row
    side_by_side = row.kernel if isinstance(row, WindowPool) else 1
    return str(row.values().get("stride", side_by_side))
