"""The `[search]` table of a study file: sampler, objectives, budget, finalists. Without torch."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fuseablate.cost import BUDGETS
from fuseablate.io.checked import Schema
from fuseablate.layers import Cost
from fuseablate.space import Amount, Parameter, Seeds

Objective = Literal["accuracy", "macs", "params", "latency"]


class Budget(Schema):
    """The most that a variant may cost; checked before it is trained."""

    macs: Amount | None = None
    params: Amount | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if self.macs is None and self.params is None:
            raise ValueError("must give macs, params or both")
        return self

    def limits(self, baseline: Cost) -> dict[str, int]:
        """Return the limit of each cost that has one, by its name in `Cost`."""
        given = {name: getattr(self, name) for name in BUDGETS}
        return {
            name: getattr(baseline, name) if amount == "baseline" else amount
            for name, amount in given.items()
            if amount is not None
        }


class Finalists(Schema):
    """What is trained anew, on fresh seeds, and tested: the best few, or the whole front."""

    best: Annotated[int, Field(ge=1)] | None = None
    seeds: Seeds


class Search(Schema):
    """How a space is searched."""

    sampler: Literal["tpe", "nsga2", "random", "grid"] = "tpe"
    n_trials: Annotated[int, Field(ge=1)] | None = None
    """The total, over all starts of the study; for `grid` the whole space unless it is given."""
    objectives: Annotated[tuple[Objective, ...], Field(strict=False)] = ("accuracy",)
    """Validation accuracy, which is maximised, and costs, which are minimised."""
    budget: Budget | None = None
    prune: Literal["none", "median", "hyperband"] = "none"
    first_seed_only: bool = False
    """Whether a trial may end after its first seed where that is no better than what is known.

    Such a trial makes no claim.
    """
    compare_random: bool = False
    """Whether as many random trials are trained beside it, to show what the sampler gains.

    None of them can be a finalist.
    """
    finalists: Finalists
    parameters: Annotated[tuple[Parameter, ...], Field(strict=False, min_length=1)]

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if "accuracy" not in self.objectives:
            raise ValueError('objectives: must hold "accuracy", which is what training is for')
        if len(set(self.objectives)) < len(self.objectives):
            raise ValueError(f"objectives = {list(self.objectives)}: names one twice")
        if self.n_trials is None and self.sampler != "grid":
            raise ValueError("n_trials: missing; it must be given for all samplers but grid")
        if self.compare_random and self.sampler in ("random", "grid"):
            raise ValueError(
                f'compare_random = true: sampler = "{self.sampler}" draws at random itself; leave '
                'it out, or search by "tpe" or "nsga2"'
            )
        if len(self.objectives) == 1 and self.finalists.best is None:
            raise ValueError("finalists.best: missing; it must be given for one objective")
        if len(self.objectives) > 1 and self.finalists.best is not None:
            raise ValueError(
                "finalists.best: with several objectives the finalists are the front; leave it out"
            )
        if self.prune != "none" and any(
            parameter.recipe == "epochs" for parameter in self.parameters
        ):
            raise ValueError(
                f'prune = "{self.prune}": compares trials epoch by epoch, which are not of one '
                "length where a parameter sets the epochs; leave out either"
            )
        if self.sampler == "grid":
            for parameter in self.parameters:
                if parameter.values() is None:
                    raise ValueError(
                        f"parameter '{parameter.name}': is continuous, and sampler = \"grid\" "
                        "tries all values; give it a step"
                    )
        return self
