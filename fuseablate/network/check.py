"""The cross-check: the arithmetic of the layers against fvcore's trace of the built network."""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from fuseablate.errors import InputError
from fuseablate.layers import ACTIVATIONS, Cost, numel
from fuseablate.network.builder import build
from fuseablate.spec import IMAGE_CHANNELS, InferredRow, Size, Spec

with warnings.catch_warnings():
    # fvcore scripts its losses when imported, and torch deprecates torch.jit.script.
    warnings.filterwarnings("ignore", category=FutureWarning)
    from fvcore.nn import FlopCountAnalysis

# fvcore's names of the operators whose work are MACs, and of all others that a network may use.
# The others' work is reported apart or is free; an operator in neither list is an error, so that
# no cost is silently lost.
MACS = frozenset({"conv", "linear"})
NOT_MACS = frozenset(
    {
        "batch_norm",
        "group_norm",
        "layer_norm",
        "adaptive_avg_pool2d",
        *(f"aten::{name}{end}" for end in ("", "_") for name in (
            "add", "mul", "max_pool2d", "avg_pool2d", "mean", "pad",
        )),
        "aten::clamp_min",
    }
)  # fmt: skip


class UnclassifiedOperatorError(InputError):
    """The network runs an operator that nobody has classified as MACs or as something else."""


class CheckError(AssertionError):
    """The built network and the arithmetic differ."""


@dataclass(frozen=True)
class Mismatch:
    """One number that differs: in which row, which number, by the layers and by the trace."""

    row: str
    what: str
    counted: object
    traced: object

    def __str__(self) -> str:
        """Return the difference as one line."""
        return f"row {self.row}: {self.what}: layers say {self.counted}, the trace {self.traced}"


def verify(spec: Spec, size: Size | None = None) -> list[Mismatch]:
    """Build `spec`, trace it at `size` (H, W), and return every number that differs.

    Compared a row: output shape, params, MACs; in total: activations and saved bytes. Raise
    `UnclassifiedOperatorError` for an operator that nobody has classified as MACs or otherwise.
    """
    network = build(spec, size=size).eval()
    image = torch.zeros(1, IMAGE_CHANNELS, *(size or spec.input))
    return mismatches(network, image, spec.infer(size))


def mismatches(
    network: nn.Module, image: torch.Tensor, rows: tuple[InferredRow, ...]
) -> list[Mismatch]:
    """Return every number in which `network`, run on `image`, differs from `rows`."""
    macs = count_macs(network, image)
    shapes = _output_shapes(network, image)
    differences = []
    for row in rows:
        name = f"rows.{row.row.name}"
        module = network.get_submodule(name)
        params = sum(p.numel() for p in module.parameters())
        for what, counted, traced in (
            ("output shape", row.out_shape, shapes[name]),
            ("params", row.cost.params, params),
            ("MACs", row.cost.macs, macs[name]),
        ):
            if counted != traced:
                differences.append(Mismatch(row.row.id, what, counted, traced))
    total = sum((row.cost for row in rows), Cost())
    # Heads at the side have no shapes: they run in training only.
    activations = sum(
        numel(shapes[name])
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear) and name in shapes
    )
    saved = sum(t.numel() * t.element_size() for t in network.state_dict().values())
    for what, counted, traced in (
        ("logits", (numel(rows[-1].out_shape),), shapes[""]),
        ("MACs", total.macs, macs[""]),
        ("activations", total.activations, activations),
        ("bytes saved", total.bytes, saved),
    ):
        if counted != traced:
            differences.append(Mismatch("all", what, counted, traced))
    return differences


def _elementwise(network: nn.Module) -> set[str]:
    """Return what torch calls the activations, and what modules of plug-ins name themselves."""
    names = {name for act in ACTIVATIONS.values() for name in act.operators}
    own = {name for module in network.modules() for name in getattr(module, "operators", ())}
    return {f"aten::{name}{end}" for name in names for end in ("", "_")} | own


def _output_shapes(network: nn.Module, image: torch.Tensor) -> dict[str, tuple[int, ...]]:
    """Return the shape of each module's output for one image, by the module's name."""
    shapes: dict[str, tuple[int, ...]] = {}

    def note(name: str) -> Callable[[nn.Module, Any, torch.Tensor], None]:
        return lambda module, inputs, output: shapes.update({name: tuple(output.shape[1:])})

    hooks = [module.register_forward_hook(note(name)) for name, module in network.named_modules()]
    with torch.no_grad():
        network(image)
    for hook in hooks:
        hook.remove()
    return shapes


def count_macs(network: nn.Module, image: torch.Tensor) -> Counter[str]:
    """Return fvcore's MACs by module name; its "flops" are multiply-accumulates."""
    if network.training:
        raise CheckError("BatchNorm counts differently in training mode: call .eval() first")
    analysis = FlopCountAnalysis(network, image).unsupported_ops_warnings(False)
    analysis.uncalled_modules_warnings(False)
    logging.getLogger("fvcore.nn.jit_analysis").setLevel(logging.ERROR)
    seen = set(analysis.by_operator()) | set(analysis.unsupported_ops())
    unknown = sorted(seen - MACS - NOT_MACS - _elementwise(network))
    if unknown:
        raise UnclassifiedOperatorError(
            f"operator {unknown[0]} is not classified; an activation or a layer of a plug-in names "
            f"it in `operators`, and for what ships it stands in MACS or NOT_MACS of {__name__}"
        )
    return Counter(
        {
            name: sum(count for op, count in counts.items() if op in MACS)
            for name, counts in analysis.by_module_and_operator().items()
        }
    )
