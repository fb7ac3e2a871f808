"""A spec as a picture: its rows from image to logits, and beside them each kind of block."""

# ruff: noqa: RUF001 - a multiplication sign is what a picture of maps writes
from __future__ import annotations

import subprocess
from collections.abc import Sequence

from fuseablate.cost import COSTS, summary
from fuseablate.errors import InputError
from fuseablate.io.escaping import html
from fuseablate.layers import (
    ACTIVATIONS,
    AuxHead,
    Concat,
    Cost,
    Layer,
    Residual,
    Split,
    Sum,
    contains,
)
from fuseablate.ops.pool import PoolRow, WindowPool
from fuseablate.ops.shared import GATE_TITLES
from fuseablate.show.blocks import COMPUTES, Graph, draw, flat, small_line
from fuseablate.show.lines import NORMS, TableLine
from fuseablate.spec import Spec

MOST_BLOCKS = 4  # kinds of blocks drawn in full
MOST_IDS = 8  # rows that the title of one names
MOST_NODES = 60  # of one of them; beyond it a picture is no help
HEAD = """digraph network {
graph [rankdir=TB, nodesep=0.25, ranksep=0.28, fontsize=12, bgcolor=white, pad=0.2,
  fontname="Helvetica,Arial,sans-serif"];
node [shape=box, style="filled,rounded", fontsize=11, color="#5b6b7b", penwidth=0.8,
  margin="0.12,0.06", height=0.3, fontname="Helvetica,Arial,sans-serif"];
edge [fontsize=9, fontcolor="#555555", color="#5b6b7b", penwidth=0.8, arrowsize=0.5,
  fontname="Helvetica,Arial,sans-serif"];
"""


def to_svg(spec: Spec, lines: Sequence[TableLine]) -> bytes:
    """Return the picture, drawn by Graphviz; raise `InputError` where that is not installed."""
    text = to_dot(spec, lines)
    try:
        done = subprocess.run(
            ["dot", "-Tsvg"], input=text.encode(), capture_output=True, check=True
        )
    except FileNotFoundError:
        raise InputError(
            "a picture needs Graphviz's program dot, which is not installed; install the package "
            "graphviz of your system"
        ) from None
    except subprocess.CalledProcessError as error:
        raise InputError(f"dot: {error.stderr.decode(errors='replace')}") from None
    return done.stdout


def to_dot(spec: Spec, lines: Sequence[TableLine]) -> str:
    """Return the picture in Graphviz's language."""
    total = Cost.total(line.cost for line in lines)
    title = f"<b>{html(spec.called)}</b><br/>{summary(total)}"
    if any(contains(line.last.layer, Sum) for line in lines):
        title += small_line("dashed: a shortcut that changes the shape")
    overview = ["subgraph cluster_rows {", "peripheries=0;", f"label=<{title}>;"]
    overview += [*_overview(lines), "}"]
    return "\n".join([HEAD, *overview, *_blocks(lines), "}"]) + "\n"


def _overview(lines: Sequence[TableLine]) -> list[str]:
    graph = Graph("row", trunk="rows")
    source = graph.node("image", shape="plaintext", style="")
    for line in lines:
        shape = _shape(line.first.in_shape)
        box = graph.box(_title(line), _small(line), _kind(line))
        graph.edge(source, box, label=f" {shape}", weight="9")
        if contains(line.last.layer, Residual, Sum):
            plus = graph.sign("+")
            graph.edge(box, plus, weight="9")
            graph.edge(source, plus, style=_shortcut(line))
            box = plus
        if contains(line.last.layer, AuxHead):
            head = graph.box("auxiliary head", "", "head")
            graph.edge(box, head, style="dashed")
        source = box
    end = graph.node("logits", shape="plaintext", style="")
    graph.edge(source, end, label=f" {_shape(lines[-1].last.out_shape)}")
    return graph.lines


def _shortcut(line: TableLine) -> str:
    """Return the style of a shortcut: dashed where it changes the shape."""
    return "dashed" if contains(line.last.layer, Sum) else "solid"


def _title(line: TableLine) -> str:
    row, values = line.row, line.row.values()
    shape = line.first.in_shape
    kernel = "" if isinstance(row, PoolRow) else row.kernel_text(shape).replace("x", "×")
    name = row.short_title or row.title
    stride = int(values.get("stride") or 1)
    stride = row.kernel if isinstance(row, WindowPool) and not values.get("stride") else stride
    parts = [name, kernel if kernel != "-" else "", f"/{stride}" if stride > 1 else ""]
    times = f"  ×{len(line.rows)}" if len(line.rows) > 1 else ""
    return " ".join(part for part in parts if part) + times


def _small(line: TableLine) -> str:
    values = line.row.values()
    widths = [f"{name} {values[name]}" for name in ("exp", "inner", "growth") if name in values]
    widths += [f"out {line.last.out_shape[0]}"] if line.cost.params else []
    extras = [NORMS[values["norm"]]] if values.get("norm") in NORMS else []
    extras += [GATE_TITLES[values.get("se_kind", "se")]] if values.get("se") else []
    nl = values.get("nl")
    extras += [ACTIVATIONS[nl].title] if nl and nl != "identity" else []
    params = COSTS["params"].counted(line.cost.params) if line.cost.params else ""
    row = f"row {line.row.id}"
    return " · ".join(part for part in (row, ", ".join(widths), " ".join(extras), params) if part)


def _kind(line: TableLine) -> str:
    if _is_block(line.last.layer):
        return "block"
    if not line.cost.params:
        return "pool"
    return "head" if line.row.values().get("out") == "classes" else "conv"


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, (*shape[1:], shape[0])))


def _is_block(layer: Layer) -> bool:
    return len([part for part in flat(layer) if isinstance(part, COMPUTES)]) > 1 or contains(
        layer, Residual, Sum, Concat, Split
    )


def _kinds(layer: Layer) -> str:
    """Return what makes two blocks of one kind: the layers, whatever their widths."""
    children = getattr(layer, "children", ())
    inner = ",".join(_kinds(child) for _, child in children)
    return f"{type(layer).__name__}({inner})"


def _blocks(lines: Sequence[TableLine]) -> list[str]:
    """Return a cluster for each kind of block, drawn with the widths of the first of its kind."""
    kinds: dict[str, list[TableLine]] = {}
    for line in lines:
        if _is_block(line.last.layer):
            kinds.setdefault(f"{line.row.op} {_kinds(line.last.layer)}", []).append(line)
    clusters: list[str] = []
    for number, (line, *others) in enumerate(kinds.values()):
        graph = Graph(f"block{number}")
        row = line.last
        source = graph.node(_shape(row.in_shape), shape="plaintext", style="")
        end = draw(graph, row.layer, source)
        graph.edge(end, graph.node(_shape(row.out_shape), shape="plaintext", style=""))
        if graph.count > MOST_NODES or len(clusters) == MOST_BLOCKS:
            continue
        ids = [other.row.id for other in others]
        more = f" and {len(ids) - MOST_IDS} more" if len(ids) > MOST_IDS else ""
        also = f"of this kind: {', '.join(ids[:MOST_IDS])}{more}" if ids else ""
        title = f"{html(f'{line.row.title} of row {row.row.id}')}{small_line(also)}"
        head = [f"subgraph cluster_block{number} {{", 'style="rounded"; color="#b8c2cc";']
        clusters.append("\n".join([*head, f"label=<{title}>;", "margin=12;", *graph.lines, "}"]))
    return clusters
