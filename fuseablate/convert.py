"""Weights of another library's network for the same network as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor, nn

from fuseablate.errors import InputError


def name_map(
    network: nn.Module, theirs: Mapping[str, Tensor], last: Iterable[str] = ()
) -> dict[str, str]:
    """Return our name of each tensor of another network's state: theirs to ours.

    Both networks name their tensors in the order in which an image meets them, so that they pair
    up one by one; each pair must have one shape, but for sides of 1 (a 1x1 convolution is a
    linear layer on vectors). `last` are beginnings of names that stand elsewhere in their order
    and at the end in ours: at the network's end, or at the end of the module that they are in, as
    `proj` for the shortcut of each block. Raise `InputError` for the first pair that differs.
    """
    ours = network.state_dict()
    names = _ordered(theirs, tuple(last))
    pairs = dict(zip(names, ours, strict=False))
    for their, our in pairs.items():
        if _core(theirs[their]) != _core(ours[our]):
            raise InputError(
                f"tensor {their} has the shape {tuple(theirs[their].shape)}, and {our}, which "
                f"stands in its place, {tuple(ours[our].shape)}; the networks are not the same"
            )
    if len(theirs) != len(ours):
        raise InputError(
            f"there are {len(theirs)} tensors, and the network has {len(ours)}; "
            "the networks are not the same"
        )
    return pairs


def converted(
    network: nn.Module, theirs: Mapping[str, Tensor], last: Iterable[str] = ()
) -> dict[str, Tensor]:
    """Return another network's state under our names and in our shapes; see `name_map`."""
    ours = network.state_dict()
    pairs = name_map(network, theirs, last)
    return {our: theirs[their].reshape(ours[our].shape) for their, our in pairs.items()}


def _ordered(names: Iterable[str], last: tuple[str, ...]) -> list[str]:
    first: dict[str, int] = {}  # where a module's name is first met

    def place(name: str) -> list[tuple[bool, int]]:
        parts = name.split(".")
        return [
            (
                ".".join(parts[depth:]).startswith(last),
                first.setdefault(".".join(parts[: depth + 1]), len(first)),
            )
            for depth in range(len(parts))
        ]

    return sorted(names, key=place)


def _core(tensor: Tensor) -> tuple[int, ...]:
    shape = tuple(tensor.shape)
    while len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    return shape
