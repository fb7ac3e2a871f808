"""The `[tune]` table of a study file: how each variant's recipe is tuned. Without torch."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from fuseablate.io.checked import Schema
from fuseablate.space import Parameter, Seeds


class Tune(Schema):
    """How the recipe of each variant, the baseline's too, is tuned before they are compared."""

    n_trials: Annotated[int, Field(ge=2)]
    """How many recipes each variant tries; the same ones for all."""
    seeds: Seeds
    """With which these are trained, none of them a seed of the comparison."""
    parameters: Annotated[tuple[Parameter, ...], Field(strict=False, min_length=1)]
    """Fields of the recipe."""

    @model_validator(mode="after")
    def _tunes_the_recipe(self) -> Self:
        for parameter in self.parameters:
            if parameter.templates():
                raise ValueError(
                    f"parameter '{parameter.name}': changes the network, and the recipe alone is "
                    'tuned; give recipe = "lr" or another field, or make a search of the study'
                )
            if "epochs" in parameter.recipe_fields:
                raise ValueError(
                    f"parameter '{parameter.name}': recipe = \"epochs\": all variants are trained "
                    "for the same epochs; tune another field"
                )
        return self
