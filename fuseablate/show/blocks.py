"""A row's tree of layers as nodes and edges of a graph, in Graphviz's language."""

# ruff: noqa: RUF001 - a multiplication sign is what a picture of maps writes
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from fuseablate.io.escaping import html
from fuseablate.layers import (
    ACTIVATIONS,
    Act,
    AuxHead,
    Concat,
    Conv,
    Dropout,
    DropPath,
    Flatten,
    Gate,
    GlobalPool,
    Layer,
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
        below = f'<br/><font point-size="9" color="#555555">{html(small)}</font>' if small else ""
        return self.node(f"{html(title)}{below}", fillcolor=FILLS[kind], **attributes)

    def sign(self, text: str) -> str:
        """Add a small circle, such as + for a sum."""
        return self.node(
            text, shape="circle", fixedsize="true", width="0.24", margin="0", fillcolor="white"
        )

    def edge(self, tail: str, head: str, label: str = "", **attributes: str) -> None:
        values = {"label": html(label)} if label else {}
        text = ", ".join(f'{key}="{value}"' for key, value in {**values, **attributes}.items())
        self.lines.append(f"{tail} -> {head} [{text}];")


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
        while layers and isinstance(layers[0], Norm | Act):
            own.append(layers.pop(0))
        small = ", ".join(_word(part) for part in own if isinstance(part, Norm | Act))
        if isinstance(first, Norm | Act):
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
    widths = [part for part in flat(Seq(layer.children)) if isinstance(part, COMPUTES)]
    acts = [_word(part) for part in flat(Seq(layer.children)) if isinstance(part, Act)]
    chain = " → ".join(str(n) for n in (widths[0].cin, *(part.cout for part in widths)))
    box = graph.box(f"SE {chain}", ", ".join(acts), "head")
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
    AuxHead: _tap,
}


def _word(layer: Layer) -> str:  # noqa: PLR0911
    match layer:
        case Conv():
            kind = "conv" if layer.groups == 1 else "groups"
            kind = "depthwise" if 1 < layer.groups == layer.cin else kind
            stride = f" /{max(layer.stride)}" if max(layer.stride) > 1 else ""
            return f"{layer.kernel[0]}×{layer.kernel[1]} {kind}, {layer.cout}{stride}"
        case Linear():
            return f"linear, {layer.cout}"
        case Norm():
            return "GN" if layer.groups else "BN"
        case Act():
            return ACTIVATIONS[layer.kind].title
        case GlobalPool():
            return "average pool" + ("" if layer.size == (1, 1) else f" to {layer.size[0]}")
        case Pool():
            stride = f" /{max(layer.stride)}" if max(layer.stride) > 1 else ""
            return f"{layer.kernel[0]}×{layer.kernel[1]} {layer.kind} pool{stride}"
        case Shift():
            return f"{layer.kernel}×{layer.kernel} shift" + (
                f" /{layer.stride}" if layer.stride > 1 else ""
            )
        case ZeroPadShortcut():
            return f"zeros to {layer.cout} /{layer.stride}"
        case Scale():
            return f"times {layer.factor:g}"
        case Pad():
            return f"pad {layer.width}"
        case DropPath():
            return f"drop path {layer.p:.2g}"
    return type(layer).__name__.lower()
