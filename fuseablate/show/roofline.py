"""Rows timed on a machine beside its limits: a table, and a picture by matplotlib."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console
from rich.text import Text

from fuseablate.cost import Profile, TimedRow, cost_kind
from fuseablate.io.terminal import bare_table
from fuseablate.spec import Size, Spec

FAR = 0.5  # of the time, that rows must take together to be named
ROOFLINE_STYLE: Any = {"font.size": 8, "svg.fonttype": "none", "svg.hashsalt": "fuseablate"}


def print_profile(spec: Spec, size: Size, profile: Profile, out: Console) -> None:
    """Print each row's times, what of the machine's limit it reaches, and where the time goes."""
    machine, rows = profile.machine, profile.rows
    label = f" with {spec.label}" if spec.edits else ""
    of = f"{label}  at {size[0]}x{size[1]}, batch {rows[0].images}, float32 on {machine.title}"
    out.print(Text.assemble((spec.name, "bold"), of))
    out.print(
        f"Measured rates: {machine.gmacs:,.1f} GMAC/s ({machine.source.partition(';')[0]}), "
        f"{machine.gigabytes:,.1f} GB/s",
    )
    table = bare_table()
    heads = ("Row", "Operator", "MACs", "Moved (MB)", "Forward (ms)", "Backward (ms)", "Time",
             "GMAC/s", "Of the limit")  # fmt: skip
    for head in heads:
        table.add_column(head, justify="left" if head in heads[:2] else "right", no_wrap=True)
    total = sum(row.seconds for row in rows)
    macs = cost_kind("macs")
    for row in rows:
        share = row.share(machine)
        table.add_row(
            row.row.row.id,
            row.row.row.title,
            macs.short(row.macs),
            f"{row.bytes / 1e6:.2f}",
            f"{1000 * row.forward:.3f}",
            f"{1000 * row.backward:.3f}",
            f"{row.seconds / total:.1%}",
            f"{row.macs / row.forward / 1e9:.1f}" if row.macs else "",
            Text(f"{share:.0%}", style="red" if share < 0.25 else "yellow" if share < 0.5 else ""),
        )
    forward, backward = (sum(getattr(row, way) for row in rows) for way in ("forward", "backward"))
    table.add_row(
        "", "", macs.short(sum(row.macs for row in rows)),
        f"{sum(row.bytes for row in rows) / 1e6:.2f}",
        f"{1000 * forward:.3f}", f"{1000 * backward:.3f}", "", "",
        f"{sum(row.share(machine) * row.forward for row in rows) / forward:.0%}",
        style="bold",
    )  # fmt: skip
    out.print(table)
    out.print(_where(profile))
    out.print(
        "Of the limit: the forward pass beside the time that its MACs or its bytes take at the "
        "measured rates, each layer by itself and nothing fused. More than 100 %: caches, or other "
        "work on the machine while its rates were measured.",
        style="dim",
    )


def _where(profile: Profile) -> str:
    """Return which few rows take most of the time, and how near their limit they run."""
    ranked = sorted(profile.rows, key=lambda row: -row.seconds)
    total = sum(row.seconds for row in ranked)
    few: list[TimedRow] = []
    while sum(row.seconds for row in few) < FAR * total:
        few.append(ranked[len(few)])
    ids = ", ".join(row.row.row.id for row in few)
    part = sum(row.seconds for row in few) / total
    limit = [row.share(profile.machine) for row in few]
    ends = f"{min(limit):.0%} to {max(limit):.0%}" if len(few) > 1 else f"{limit[0]:.0%}"
    named = f"Rows {ids} take" if len(few) > 1 else f"Row {ids} takes"
    return f"{named} {part:.0%} of the time, at {ends} of the limit."


def draw_roofline(spec: Spec, profile: Profile, kind: str) -> bytes:
    """Return the picture of the rows below the machine's roof; kind is `.png` or `.svg`."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    machine = profile.machine
    rows = [row for row in profile.rows if row.macs]
    total = sum(row.seconds for row in profile.rows)
    with rc_context(ROOFLINE_STYLE):
        figure = Figure(figsize=(5.2, 3.6), layout="constrained")
        axes = figure.subplots()
        across = [row.macs / row.bytes for row in rows]
        ridge = machine.gmacs / machine.gigabytes
        ends = [min([*across, ridge]) / 2, ridge, max([*across, ridge]) * 2]
        roof = [min(x * machine.gigabytes, machine.gmacs) for x in ends]
        axes.plot(ends, roof, color="black", lw=1.2)
        axes.text(ends[2], machine.gmacs, f"{machine.gmacs:,.0f} GMAC/s", ha="right", va="bottom")
        axes.text(ends[0], roof[0], f" {machine.gigabytes:,.0f} GB/s", va="top", ha="left")
        axes.scatter(
            across, [row.macs / row.forward / 1e9 for row in rows],
            s=[20 + 600 * row.seconds / total for row in rows],
            color="#0072B2", alpha=0.6, linewidths=0,
        )  # fmt: skip
        for x, row in zip(across, rows, strict=True):
            axes.annotate(row.row.row.id, (x, row.macs / row.forward / 1e9),
                          ha="center", va="center", fontsize=7)  # fmt: skip
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("MACs for each byte moved")
        axes.set_ylabel("GMAC/s, forward")
        axes.set_title(
            f"{spec.called}: rows by id, as large as their share of the time",
            loc="left",
            fontsize=8,
            parse_math=False,
        )
        out = io.BytesIO()
        undated = {"Date": None} if kind == ".svg" else {"Software": None}
        figure.savefig(out, format=kind[1:], metadata=undated, dpi=200)
    return out.getvalue()
