"""Recipes: how a network is trained. Without torch.

In comes the name of a shipped recipe or a TOML file; out comes a frozen, checked `Recipe`.
"""

from __future__ import annotations

from fuseablate.recipes.fitting import check_trainable, subspaces
from fuseablate.recipes.load import load_recipe
from fuseablate.recipes.parts import (
    AUGMENTATIONS,
    OPTIMIZER_CLASSES,
    made,
    resolved,
)
from fuseablate.recipes.recipe import OPTIMIZERS, EarlyStop, Recipe, Teacher, changed, changes_of
from fuseablate.recipes.schedules import Cosine, MultiStep, OneCycle, epochs_of

__all__ = [
    "AUGMENTATIONS",
    "OPTIMIZERS",
    "OPTIMIZER_CLASSES",
    "Cosine",
    "EarlyStop",
    "MultiStep",
    "OneCycle",
    "Recipe",
    "Teacher",
    "changed",
    "changes_of",
    "check_trainable",
    "epochs_of",
    "load_recipe",
    "made",
    "resolved",
    "subspaces",
]
