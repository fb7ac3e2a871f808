"""A row's tree of layers as nodes and edges of a graph, in Graphviz's language."""

# ruff: noqa: RUF001 - a multiplication sign is what a picture of maps writes
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fuseablate.io.escaping import html
from fuseablate.layers import (
    ACTIVATIONS,
    Act,
    AuxHead,
    ChannelConv,
    ChannelShuffle,
    Concat,
    Conv,
    CoordinateGate,
    Dropout,
    DropPath,
    Flatten,
    Gate,
    GlobalPool,
    Layer,
    LayerNorm,
    LayerScale,
    Linear,
    Norm,
    Pad,
    Pool,
    Residual,
    Scale,
    Seq,
    Shift,
    Split,
    Sum,
    ZeroPadShortcut,
)

FILLS = {"conv": "#dbe9f6", "block": "#e2f0d9", "pool": "#ededed", "head": "#fce4d6"}
COMPUTES = (Conv, Linear)
FOLDED = Norm | LayerNorm | Act  # what stands in the box of the convolution before it
SILENT = (Flatten, Dropout)  # what a picture leaves out: nothing is computed in eval mode


@dataclass
class Graph:
    """Lines of a graph while it is drawn; `prefix` keeps the names of its nodes apart.

    Nodes of one `trunk` stand below each other.
    """

    prefix: str
    trunk: str = ""
    lines: list[str] = field(default_factory=list)
    count: int = 0

    def node(self, label: str, **attributes: str) -> str:
        """Add a node and return its name; `label` is HTML."""
        self.count += 1
        attributes = {**attributes, "group": self.trunk} if self.trunk else attributes
        name = f"{self.prefix}_{self.count}"
        more = "".join(f', {key}="{value}"' for key, value in attributes.items())
        self.lines.append(f"{name} [label=<{label}>{more}];")
        return name

    def box(self, title: str, small: str, kind: str, **attributes: str) -> str:
        """Add a box with a title and a smaller line below it."""
        label = f"{html(title)}{small_line(small)}"
        return self.node(label, fillcolor=FILLS[kind], **attributes)

    def sign(self, text: str) -> str:
        """Add a small circle, such as + for a sum."""
        return self.node(
            text, shape="circle", fixedsize="true", width="0.24", margin="0", fillcolor="white"
        )

    def edge(self, tail: str, head: str, label: str = "", **attributes: str) -> None:
        values = {"label": html(label)} if label else {}
        text = ", ".join(f'{key}="{value}"' for key, value in {**values, **attributes}.items())
        self.lines.append(f"{tail} -> {head} [{text}];")


def small_line(text: str) -> str:
    """Return a smaller line below a title, or nothing."""
    return f'<br/><font point-size="9" color="#555555">{html(text)}</font>' if text else ""


def flat(layer: Layer) -> Iterator[Layer]:
    """Yield the layers of a sequence within sequences, one after another."""
    if isinstance(layer, Seq):
        for _, child in layer.children:
            yield from flat(child)
    elif not isinstance(layer, SILENT):
        yield layer


def draw(graph: Graph, layer: Layer, source: str) -> str:
    """Draw a tree behind the node `source` and return the node that it ends in."""
    layers = list(flat(layer))
    while layers:
        first = layers.pop(0)
        if type(first) in JOINS:
            source = JOINS[type(first)](graph, first, source)
            continue
        # A convolution stands in one box with the norm and the non-linearity that follow.
        own = [first]
        while layers and isinstance(layers[0], FOLDED):
            own.append(layers.pop(0))
        small = ", ".join(_word(part) for part in own if isinstance(part, FOLDED))
        if isinstance(first, FOLDED):
            box = graph.box(small, "", "pool")
        else:
            box = graph.box(_word(first), small, "conv" if isinstance(first, COMPUTES) else "pool")
        graph.edge(source, box, weight="9")
        source = box
    return source


def _add(graph: Graph, layer: Residual, source: str) -> str:
    end = draw(graph, Seq(layer.children), source)
    plus = graph.sign("+")
    graph.edge(end, plus, weight="9")
    graph.edge(source, plus)
    return plus


def _gate(graph: Graph, layer: Gate, source: str) -> str:
    parts = list(flat(Seq(layer.children)))
    widths = [part for part in parts if isinstance(part, COMPUTES)]
    acts = [_word(part) for part in parts if isinstance(part, Act)]
    chain = " → ".join(str(n) for part in widths[:1] for n in (part.cin, *(w.cout for w in widths)))
    along = [_word(part) for part in parts if isinstance(part, ChannelConv)]
    return _times(graph, f"SE {chain}" if chain else ", ".join(along), ", ".join(acts), source)


def _coordinate_gate(graph: Graph, layer: CoordinateGate, source: str) -> str:
    return _times(graph, "coordinate attention", "a factor a line, one a column", source)


def _times(graph: Graph, title: str, small: str, source: str) -> str:
    box = graph.box(title, small, "head")
    times = graph.sign("×")
    graph.edge(source, box)
    graph.edge(box, times)
    graph.edge(source, times)
    return times


def _sum(graph: Graph, layer: Sum, source: str) -> str:
    plus = graph.sign("+")
    for number, (_, child) in enumerate(layer.children):
        end = draw(graph, child, source)
        graph.edge(end, plus, weight="1" if number else "9")
    return plus


def _branches(sign: str) -> Callable[[Graph, Layer, str], str]:
    def drawn(graph: Graph, layer: Layer, source: str) -> str:
        assert isinstance(layer, Concat | Split)
        end = graph.box(sign, "", "pool", height="0.2")
        for _, child in layer.children:
            graph.edge(draw(graph, child, source), end)
        return end

    return drawn


def _tap(graph: Graph, layer: AuxHead, source: str) -> str:
    box = graph.box("auxiliary head", f"weight {layer.weight:g} in the loss", "head")
    graph.edge(source, box, style="dashed")
    return source


JOINS: dict[type[Layer], Callable[..., str]] = {
    Residual: _add,
    Sum: _sum,
    Concat: _branches("concat"),
    Split: _branches("split, concat"),
    Gate: _gate,
    CoordinateGate: _coordinate_gate,
    AuxHead: _tap,
}


def _word(layer: Layer) -> str:
    write = _WORDS.get(type(layer))
    return write(layer) if write else type(layer).__name__.lower()


def _conv(conv: Conv) -> str:
    kind = "conv" if conv.groups == 1 else "groups"
    kind = "depthwise" if 1 < conv.groups == conv.cin else kind
    return f"{conv.kernel[0]}×{conv.kernel[1]} {kind}, {conv.cout}{_stride(max(conv.stride))}"


def _pool(pool: Pool) -> str:
    return f"{pool.kernel[0]}×{pool.kernel[1]} {pool.kind} pool{_stride(max(pool.stride))}"


def _stride(stride: int) -> str:
    return f" /{stride}" if stride > 1 else ""


_WORDS: Mapping[type[Layer], Callable[[Any], str]] = {
    Conv: _conv,
    Linear: lambda linear: f"linear, {linear.cout}",
    Norm: lambda norm: "GN" if norm.groups else "BN",
    LayerNorm: lambda norm: "LN",
    LayerScale: lambda scale: "layer scale",
    ChannelConv: lambda conv: f"conv {conv.kernel} along channels",
    ChannelShuffle: lambda shuffle: f"shuffle {shuffle.groups}",
    Act: lambda act: ACTIVATIONS[act.kind].title,
    GlobalPool: lambda pool: (
        "average pool" + ("" if pool.size == (1, 1) else f" to {pool.size[0]}")
    ),
    Pool: _pool,
    Shift: lambda shift: f"{shift.kernel}×{shift.kernel} shift{_stride(shift.stride)}",
    ZeroPadShortcut: lambda cut: f"zeros to {cut.cout} /{cut.stride}",
    Scale: lambda scale: f"times {scale.factor:g}",
    Pad: lambda pad: f"pad {pad.width}",
    DropPath: lambda path: f"drop path {path.p:.2g}",
}
