"""Two specs on a terminal, row by row: the fields that differ and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fuseablate.cost import SUMMARY, CostKind, cost_kinds
from fuseablate.io.terminal import bare_table, change, fits, size_text
from fuseablate.show.lines import COLUMN_FIELDS, value_text
from fuseablate.show.table import WIDE
from fuseablate.spec import Change, Difference, InferredRow, RowDifference

Sides = tuple[Sequence[InferredRow], Sequence[InferredRow]]  # rows of A, and of B


def print_difference(
    difference: Difference,
    out: Console,
    *,
    names: tuple[str, str] | None = None,
    costs: Sequence[str] = SUMMARY,
) -> None:
    """Print both names, the keys and fields that differ (old → new), and the costs a row.

    names: of the two specs, where their own do not tell them apart.
    """
    kinds = cost_kinds(costs)
    called = names or tuple(spec.name for spec in difference.specs)
    for side, name, spec in zip("AB", called, difference.specs, strict=True):
        label = f"{name} {spec.label}".strip()
        out.print(Text.assemble((side, "bold"), f"  {label}"))
    for name, pair in difference.keys.items():
        out.print(change_text(name, pair))
    wide = difference_table(difference, kinds, True)
    full = out.width >= WIDE and fits(wide, out)
    out.print(wide if full else difference_table(difference, kinds, False))
    if difference.same:
        same = ("the same network", "green")
        out.print(Text.assemble(same, ": every layer of A is one of B"))


def difference_table(difference: Difference, kinds: Sequence[CostKind], wide: bool) -> Table:
    """Return a line for each row, with each cost of both sides, or in a narrow one the change."""
    table = bare_table(not wide)
    for name in ("Row", "Op"):
        table.add_column(name, no_wrap=True)
    table.add_column("A → B", overflow="fold")
    for title in (kind.heading for kind in kinds):
        for head in (f"{title} A", f"{title} B", "") if wide else (title,):
            table.add_column(head, justify="right", no_wrap=True)
    for row in difference.rows:
        table.add_row(row.id, op(row), differing_fields(row), *cost_texts(row.sides, kinds, wide))
    table.add_row("", "", "", *cost_texts(difference.sides, kinds, wide), style="bold")
    return table


def op(row: RowDifference) -> str:
    """Return the op of a row, that of B where it has one."""
    present = row.after or row.before
    return present.row.op if present else ""


def differing_fields(row: RowDifference) -> Text:
    """Return the fields of a row that differ, marked."""
    if row.before is None or row.after is None:
        return Text(f"only in {'A' if row.before else 'B'}", style="yellow")
    shown = {
        name: pair for name, pair in row.fields.items() if not goes_without_saying(row, name, pair)
    }
    order = ("op", *COLUMN_FIELDS)
    names = sorted(shown, key=lambda name: order.index(name) if name in order else len(order))
    return Text(", ").join(change_text(name, shown[name]) for name in names)


def goes_without_saying(row: RowDifference, name: str, pair: Change) -> bool:
    """Whether a field goes without saying: one op alone has it, and there it is at its default."""
    if None not in pair or "op" not in row.fields or row.before is None or row.after is None:
        return False
    has, value = (row.before, pair[0]) if pair[1] is None else (row.after, pair[1])
    return bool(value == has.row.defaults().get(name))


def change_text(name: str, pair: Change) -> Text:
    if name == "in_shape":
        return Text(f"input {size_text(pair[0])} → {size_text(pair[1])}")
    before, after = map(_text, pair)
    return Text(f"{name} {before} → {after}", style="yellow")


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    return value_text(value)


def cost_texts(sides: Sides, kinds: Sequence[CostKind], wide: bool) -> list[str]:
    """Return what A and B cost and the change, or in a narrow table what B costs more."""
    texts = []
    for kind in kinds:
        before, after = map(kind.total, sides)
        if wide:
            texts += [kind.full(before), kind.full(after), change(after, before)]
        else:
            sign = "+" if after > before else "-"
            texts.append("=" if after == before else sign + kind.short(abs(after - before)))
    return texts
