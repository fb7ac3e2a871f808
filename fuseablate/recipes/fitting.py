"""Whether a recipe can train a network, and which weights its penalty is of. Without torch."""

from __future__ import annotations

from collections.abc import Iterator

from fuseablate.errors import InputError
from fuseablate.layers import Act, Children, Conv, Layer
from fuseablate.recipes.recipe import Recipe
from fuseablate.spec import Size, Spec

# What ops call the linear 1x1 convolution that a BSConv-S block begins with, or that a block's
# branch ends in. A digest holds these names, and so a run's digest says what it penalises.
SUBSPACE = ("subspace", "project")


def check_trainable(spec: Spec, recipe: Recipe | None, size: Size) -> None:
    """Raise `InputError` where the recipe cannot train the network on images of `size` (H, W)."""
    spec.check_trainable(size)
    if recipe is None:
        return
    spec.check_batch(recipe.batch_size, size)
    if recipe.orthonormal and not any(subspaces(spec.layers(size))):
        raise InputError(
            f"recipe {recipe.name}: orthonormal = {recipe.orthonormal}: {spec.name} has no linear "
            "1x1 convolution to no more channels that an op names project or subspace; use 0"
        )


def subspaces(layer: Layer, above: str = "") -> Iterator[str]:
    """Yield the names of the weights, (C', C, 1, 1) with C' <= C each, kept orthonormal."""
    children: Children = getattr(layer, "children", ())
    for name, child in children:
        path = f"{above}{name}"
        if name in SUBSPACE:
            inner: Children = getattr(child, "children", (("", child),))
            for part, conv in inner[:1]:
                linear = not any(isinstance(other, Act) for _, other in inner)
                if (
                    linear
                    and isinstance(conv, Conv)
                    and conv.kernel == (1, 1)
                    and (conv.groups == 1 and conv.cout <= conv.cin)
                ):
                    yield ".".join(filter(None, (path, part, "weight")))
        else:
            yield from subspaces(child, f"{path}.")
