"""The recipes that the variants of a tuned study try: the same ones for all. Without torch.

They come from a quasi-random sequence and not from a sampler that learns: so each variant has the
same recipes to choose among, the first n stay what they are when more are asked for, and a few
cover the ranges more evenly than random ones do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fuseablate.errors import InputError
from fuseablate.recipes import Recipe, changed
from fuseablate.space import (
    Assignment,
    Parameter,
    Space,
    Value,
    is_active,
    recipe_changes,
    value_at,
)
from fuseablate.spec import Spec
from fuseablate.studies.schema import Tune

RECIPE_DRAWS = 100  # for each trial, until no more recipes are looked for


@dataclass(frozen=True)
class RecipeTrial:
    """A recipe that each variant tries."""

    params: Assignment
    changes: Mapping[str, Any]
    """What the parameters' values change of the recipe."""


def recipes_to_try(tune: Tune, spec: Spec, recipes: Sequence[Recipe]) -> tuple[RecipeTrial, ...]:
    """Return the `n_trials` distinct changes that each of the variants' recipes takes.

    Raise `InputError` for a value that the first of the recipes refuses, and where there are not
    so many.
    """
    parameters = Space.of(spec, tune.parameters, recipes[0]).parameters
    distinct: dict[str, RecipeTrial] = {}
    refused = ""
    for _, shares in zip(
        range(RECIPE_DRAWS * tune.n_trials), sequence(len(parameters)), strict=False
    ):
        params = _params(parameters, shares)
        try:
            changes = recipe_changes(params, parameters)
            for recipe in recipes:
                changed(recipe, changes)
        except InputError as error:
            refused = f"; the last that was refused: {error}"
            continue
        distinct.setdefault(json.dumps(changes, sort_keys=True), RecipeTrial(params, changes))
        if len(distinct) == tune.n_trials:
            return tuple(distinct.values())
    raise InputError(
        f"n_trials = {tune.n_trials}: the parameters give {len(distinct)} recipes that differ "
        f"and that all variants take{refused}"
    )


def sequence(dimensions: int) -> Iterator[tuple[float, ...]]:
    """Yield points that lie evenly in the unit cube, however many are taken; first its middle.

    The additive recurrence whose steps are the powers of the inverse of the root of
    x^(d + 1) = x + 1, in one dimension the golden ratio (M. Roberts, R sequences, 2018).
    """
    root = 2.0
    for _ in range(64):  # a contraction: the error at least halves
        root = (1 + root) ** (1 / (dimensions + 1))
    steps = [root ** -(place + 1) for place in range(dimensions)]
    number = 0
    while True:
        yield tuple((0.5 + number * step) % 1 for step in steps)
        number += 1


def _params(parameters: Sequence[Parameter], shares: Sequence[float]) -> dict[str, Value]:
    params: dict[str, Value] = {}
    for parameter, share in zip(parameters, shares, strict=True):
        if is_active(parameter, params):
            params[parameter.name] = value_at(parameter, parameter.values(), share)
    return params
