"""The activations: the one table of what each is called, here and in torch. Without torch."""

from __future__ import annotations

from dataclasses import dataclass

from fuseablate.errors import InputError
from fuseablate.plugins import Registry


@dataclass(frozen=True)
class Activation:
    title: str
    """Its name in printed tables and in pictures."""
    module: str
    """Where its torch module, or a function that makes one, is: `torch.nn.ReLU`, `mine:Snake`.
    It is imported when a network is built."""
    operators: tuple[str, ...]
    """What torch calls it, without `aten::`, as fvcore counts operators."""
    saves_result: bool = False
    """Whether its backward pass reads what it put out, and not what came in. Such a module is told
    to overwrite its input where it can; another would have to copy it first."""
    inplace: bool = False
    """Whether the module is told to overwrite its input."""
    gate: bool = False
    """Whether it ends in 0 to 1 and scales the channels of squeeze-and-excite; such a one is no
    non-linearity of a row."""
    aliases: tuple[str, ...] = ()
    """Other names that a table may write for it."""

    @property
    def defined_in(self) -> str:
        """The Python module that its code is in."""
        module, colon, _ = self.module.partition(":")
        return module if colon else module.rpartition(".")[0]


def _check(name: str, part: Activation) -> None:
    if not isinstance(part, Activation):
        raise InputError(f"is a {type(part).__name__}, and not an Activation")
    names: object = part.operators
    if not isinstance(names, tuple) or not all(isinstance(entry, str) for entry in names):
        raise InputError(
            f'operators = {names!r}: must be a tuple of what torch calls it, such as ("softsign",)'
        )


_SHIPPED = {
    "relu": Activation("ReLU", "torch.nn.ReLU", ("relu",), saves_result=True, inplace=True),
    "relu6": Activation("ReLU6", "torch.nn.ReLU6", ("relu6", "hardtanh")),
    "hswish": Activation(
        "H-Swish", "torch.nn.Hardswish", ("hardswish",), aliases=("hardswish", "hard_swish")
    ),
    "swish": Activation("Swish", "torch.nn.SiLU", ("silu",), aliases=("silu",)),
    "gelu": Activation("GELU", "torch.nn.GELU", ("gelu",)),
    "mish": Activation("Mish", "torch.nn.Mish", ("mish",)),
    "leaky_relu": Activation(
        "LReLU", "torch.nn.LeakyReLU", ("leaky_relu",), saves_result=True, inplace=True,
        aliases=("leakyrelu",),
    ),
    "elu": Activation("ELU", "torch.nn.ELU", ("elu",), saves_result=True, inplace=True),
    "hsigmoid": Activation(
        "H-Sigmoid", "torch.nn.Hardsigmoid", ("hardsigmoid",), gate=True,
        aliases=("hardsigmoid", "hard_sigmoid"),
    ),
    "sigmoid": Activation(
        "Sigmoid", "torch.nn.Sigmoid", ("sigmoid",), saves_result=True, gate=True
    ),
}  # fmt: skip
ACTIVATIONS = Registry("activations", _SHIPPED, _check)
