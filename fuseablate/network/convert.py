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
    linear layer on vectors). `last` are modules, theirs or ours, that the other one registers
    elsewhere: prefixes of names, such as `aux`, or the modules of a name at any depth, such as
    `downsample` in each block. Their tensors are put at the end of what the module is in.
    Raise `InputError` for the first pair that differs.
    """
    modules = [name.rstrip(".") for name in last]
    state = network.state_dict()
    ours = {name: state[name] for name in _moved(list(state), modules)}
    pairs = dict(zip(_moved(list(theirs), modules), ours, strict=False))
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


def _moved(names: list[str], last: list[str]) -> list[str]:
    """Return the names with those of the modules `last` at the end of the module they are in."""
    modules = {name: [".".join(name.split(".")[:end]) for end in _levels(name)] for name in names}
    first: dict[str, int] = {}
    for place, name in enumerate(names):
        for module in modules[name]:
            first.setdefault(module, place)

    def is_last(module: str) -> bool:
        return module.startswith(tuple(last)) or module.rpartition(".")[2] in last

    return sorted(names, key=lambda name: [(is_last(m), first[m]) for m in modules[name]])


def _levels(name: str) -> range:
    return range(1, name.count(".") + 2)


def _core(tensor: Tensor) -> tuple[int, ...]:
    shape = tuple(tensor.shape)
    while len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    return shape
