"""The activations: the one table of what each is called, here and in torch. Without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Activation:
    title: str
    """Its name in printed tables and in pictures."""
    module: str
    """The dotted name of its torch module, imported when a network is built."""
    operators: tuple[str, ...]
    """What torch calls it, without `aten::`, as fvcore counts operators."""
    inplace: bool = True
    """Whether the module can overwrite its input, and is told to."""
    saves_result: bool = False
    """Whether its backward pass reads what it put out, and not what came in."""
    gate: bool = False
    """Whether it ends in 0 to 1 and scales the channels of squeeze-and-excite; such a one is no
    non-linearity of a row."""
    aliases: tuple[str, ...] = ()
    """Other names that a table may write for it."""


ACTIVATIONS: Mapping[str, Activation] = {
    "relu": Activation("ReLU", "torch.nn.ReLU", ("relu",), saves_result=True),
    "relu6": Activation("ReLU6", "torch.nn.ReLU6", ("relu6", "hardtanh")),
    "hswish": Activation(
        "H-Swish", "torch.nn.Hardswish", ("hardswish",), aliases=("hardswish", "hard_swish")
    ),
    "swish": Activation("Swish", "torch.nn.SiLU", ("silu",), aliases=("silu",)),
    "gelu": Activation("GELU", "torch.nn.GELU", ("gelu",), inplace=False),
    "mish": Activation("Mish", "torch.nn.Mish", ("mish",)),
    "leaky_relu": Activation(
        "LReLU", "torch.nn.LeakyReLU", ("leaky_relu",), saves_result=True, aliases=("leakyrelu",)
    ),
    "elu": Activation("ELU", "torch.nn.ELU", ("elu",), saves_result=True),
    "hsigmoid": Activation(
        "H-Sigmoid", "torch.nn.Hardsigmoid", ("hardsigmoid",), inplace=False, gate=True,
        aliases=("hardsigmoid", "hard_sigmoid"),
    ),
    "sigmoid": Activation(
        "Sigmoid", "torch.nn.Sigmoid", ("sigmoid",), inplace=False, saves_result=True, gate=True
    ),
}  # fmt: skip
