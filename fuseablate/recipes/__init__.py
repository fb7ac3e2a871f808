"""Recipes: how a network is trained. Without torch.

In comes the name of a shipped recipe or a TOML file; out comes a frozen, checked `Recipe`.
"""

from __future__ import annotations

from fuseablate.recipes.recipe import (
    OPTIMIZERS,
    Cosine,
    EarlyStop,
    MultiStep,
    OneCycle,
    Recipe,
    changed,
    changes_of,
    epochs_of,
    load_recipe,
)

__all__ = [
    "OPTIMIZERS",
    "Cosine",
    "EarlyStop",
    "MultiStep",
    "OneCycle",
    "Recipe",
    "changed",
    "changes_of",
    "epochs_of",
    "load_recipe",
]
