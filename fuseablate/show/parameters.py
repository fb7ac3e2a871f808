"""Each parameter of a network: its name and shape, and what a trained one's values are like."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fuseablate.io.terminal import bare_table, print_whole
from fuseablate.layers import (
    ChannelConv,
    Conv,
    Layer,
    LayerNorm,
    LayerScale,
    Linear,
    Norm,
    OwnLayer,
)
from fuseablate.spec import Size, Spec

if TYPE_CHECKING:
    from fuseablate.runs.weights import Statistics


@dataclass(frozen=True)
class NamedShape:
    """A learned tensor, by the name that it bears in the built network."""

    name: str
    shape: tuple[int, ...]

    @property
    def count(self) -> int:
        return math.prod(self.shape)


def parameters_of(spec: Spec, size: Size | None = None) -> list[NamedShape]:
    """Return the parameters in the order of torch's `named_parameters`, from the layers alone."""
    return list(_parameters("", spec.layers(size)))


def _parameters(name: str, layer: Layer) -> Iterator[NamedShape]:
    for child_name, child in getattr(layer, "children", ()):
        yield from _parameters(f"{name}{child_name}.", child)
    match layer:
        case Conv():
            yield NamedShape(
                f"{name}weight", (layer.cout, layer.cin // layer.groups, *layer.kernel)
            )
        case Linear():
            yield NamedShape(f"{name}weight", (layer.cout, layer.cin))
        case ChannelConv():
            yield NamedShape(f"{name}weight", (1, 1, layer.kernel))
        case LayerScale():
            yield NamedShape(f"{name}weight", (layer.channels,))
        case OwnLayer():
            own: Mapping[str, Sequence[int]] = getattr(layer, "parameters", dict)()
            yield from (NamedShape(f"{name}{part}", tuple(shape)) for part, shape in own.items())
        case Norm() | LayerNorm():
            yield NamedShape(f"{name}weight", (layer.channels,))
            yield NamedShape(f"{name}bias", (layer.channels,))
    if isinstance(layer, Conv | Linear) and layer.bias:
        yield NamedShape(f"{name}bias", (layer.cout,))


def print_parameters(parameters: Sequence[NamedShape], out: Console) -> None:
    """Print a line for each parameter, and the total."""
    table = _table("Parameter", "Shape", "Count")
    for parameter in parameters:
        table.add_row(parameter.name, shape_text(parameter.shape), f"{parameter.count:,}")
    print_whole(table, out)
    total = sum(parameter.count for parameter in parameters)
    counted = Text.assemble((f"{total:,} params", "bold"), f" in {len(parameters)} tensors")
    out.print(counted)


def print_statistics(tensors: Sequence[Statistics], out: Console) -> None:
    """Print a line for each tensor with what its values are like."""
    table = _table("Tensor", "Shape", "Mean", "SD", "Min", "Max", "Near 0")
    for tensor in tensors:
        values = (tensor.mean, tensor.sd, tensor.least, tensor.most)
        numbers = (f"{value:.3g}" for value in values)
        near = f"{100 * tensor.near_zero:.1f} %"
        table.add_row(tensor.name, shape_text(tensor.shape), *numbers, near)
    print_whole(table, out)
    out.print(
        "Near 0: the share of values below a hundredth of the tensor's largest", style="dim",
    )  # fmt: skip


def shape_text(shape: tuple[int, ...]) -> str:
    """Return a tensor's shape as torch orders it: 64x3x7x7."""
    return "x".join(map(str, shape)) or "1"


def _table(*heads: str) -> Table:
    table = bare_table()
    for number, head in enumerate(heads):
        table.add_column(head, justify="right" if number > 1 else "left", no_wrap=True)
    return table
