"""What each row sees of an image, and what is spent where there is nothing left to see."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from fuseablate.cost import COSTS, RowReceptiveField
from fuseablate.io.terminal import bare_table, print_whole, size_text
from fuseablate.layers import Conv, Shape, walk
from fuseablate.spec import InferredRow, Size, Spec

WHOLE, PIXEL = "sees all", "1x1"


def print_receptive_fields(
    spec: Spec, size: Size, fields: Sequence[RowReceptiveField], out: Console
) -> None:
    """Print the receptive field of each row at input `size` (H, W), and which rows gain by none."""
    params, macs = COSTS["params"], COSTS["macs"]
    table = bare_table()
    heads = ("Row", "Operator", "Input HxWxC", "Field", "Step", "Output", params.heading,
             macs.heading, "Unmet", "")  # fmt: skip
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if place in (6, 7, 8) else "left", no_wrap=True)
    for field in fields:
        row = field.row
        table.add_row(
            row.row.id,
            row.row.title,
            size_text(row.in_shape),
            "-" if len(row.out_shape) < 3 else _side_by_side(field.after.extent),
            "-" if len(row.out_shape) < 3 else _side_by_side(field.after.step),
            size_text(row.out_shape),
            params.full(row.cost.params),
            macs.full(row.cost.macs),
            f"{field.unmet.params:,}" if field.unmet.params else "",
            Text(", ".join(_marks(field, size)), style="yellow"),
        )
    label = f" with {spec.label}" if spec.edits else ""
    out.print(Text.assemble((spec.name, "bold"), label, f"  at {_side_by_side(size)}"))
    print_whole(table, out)
    for line in _findings(fields, size):
        out.print(line)
    out.print(
        "Field: the pixels, down x across, that a position of the output depends on by way of "
        "filters (not of squeeze-and-excite). Step: how far two positions lie apart. Unmet: "
        "weights that only ever meet padding.",
        style="dim",
    )


def _marks(field: RowReceptiveField, size: Size) -> list[str]:
    """Return what is to be said of a row that filters in space."""
    if not _filters(field.row):
        return []
    marks = [WHOLE] if field.before.sees(size) else []
    return [*marks, PIXEL] if field.row.in_shape[1:] == (1, 1) else marks


def _filters(row: InferredRow) -> bool:
    """Whether a row has a convolution with a kernel beyond 1x1."""
    layers = (step.layer for step in walk(row.layer, row.in_shape))
    return any(isinstance(layer, Conv) and layer.kernel != (1, 1) for layer in layers)


def _findings(fields: Sequence[RowReceptiveField], size: Size) -> list[str]:
    lines = []
    for mark, said in (
        (WHOLE, "filter in space what sees the whole image already"),
        (PIXEL, "filter maps of 1x1"),
    ):
        rows = [field for field in fields if mark in _marks(field, size)]
        if rows:
            ids = ", ".join(field.row.row.id for field in rows)
            lines.append(f"Rows {ids} {said}: {_shares(rows, fields)}.")
    unmet = sum(field.unmet.params for field in fields)
    if unmet:
        macs = sum(field.unmet.macs for field in fields)
        lines.append(
            f"{COSTS['params'].counted(unmet)} and {COSTS['macs'].counted(macs)} are spent on "
            "weights that no pixel ever meets."
        )
    return lines


def _shares(rows: Sequence[RowReceptiveField], fields: Sequence[RowReceptiveField]) -> str:
    shares = []
    for name in ("params", "macs"):
        kind = COSTS[name]
        part, whole = (kind.total([field.row for field in some]) for some in (rows, fields))
        shares.append(f"{100 * part / whole:.1f} % of the {kind.unit}")
    return " and ".join(shares)


def _side_by_side(sides: Sequence[float] | Shape) -> str:
    """Return `7x7`, or `all` for what has no end."""
    return "x".join("all" if side == float("inf") else f"{side:g}" for side in sides)
