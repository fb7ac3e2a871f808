"""The `[search]` table of a study file: sampler, objectives, budget, finalists. Without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_serializer, model_validator

from fuseablate.cost import COSTS, cost_kind, limited
from fuseablate.errors import unknown
from fuseablate.io.checked import Schema
from fuseablate.space import Amount, Parameter, Scalar, Seeds
from fuseablate.spec import Size, Spec


def _objective(name: str) -> str:
    if name != "accuracy":
        if name.partition("@")[0] not in COSTS:
            raise unknown("objective", name, ("accuracy", *COSTS))
        cost_kind(name)
    return name


def _limits(budget: Mapping[str, int | str]) -> Mapping[str, int | str]:
    if not budget:
        raise ValueError("must give macs, params or another cost its most")
    for name in budget:
        limited(name)
    return budget


Objective = Annotated[str, AfterValidator(_objective)]


def _given(budget: object) -> object:
    """Leave out what `Search` names without a limit when it is written."""
    if not isinstance(budget, Mapping):
        return budget
    return {name: limit for name, limit in budget.items() if limit is not None}


Budget = Annotated[Mapping[str, Amount], BeforeValidator(_given), AfterValidator(_limits)]
"""The most that a variant may cost, by the names of costs; checked before it is trained."""


class Finalists(Schema):
    """What is trained anew, on fresh seeds, and tested: the best few, or the whole front."""

    best: Annotated[int, Field(ge=1)] | None = None
    """How many; with several objectives leave it out, and the whole front is taken."""
    seeds: Seeds
    """Fresh ones, none of the search's."""


def limits_of(budget: Mapping[str, Any], spec: Spec, size: Size) -> dict[str, float]:
    """Return the most of each cost of a budget, in which "baseline" stands for that of `spec`."""
    rows = spec.infer(size)
    return {
        name: cost_kind(name).total(rows) if most == "baseline" else most
        for name, most in budget.items()
    }


class Search(Schema):
    """How a space is searched."""

    sampler: Literal["tpe", "nsga2", "random", "grid"] = "tpe"
    """How variants are drawn: Optuna's TPE or NSGA-II, at random, or all of them."""
    n_trials: Annotated[int, Field(ge=1)] | None = None
    """The total, over all starts of the study; for `grid` the whole space unless it is given."""
    objectives: Annotated[tuple[Objective, ...], Field(strict=False)] = ("accuracy",)
    """Validation accuracy, which is maximised, and costs, which are minimised."""
    budget: Budget | None = None
    """The most that a variant may cost, by the names of costs, as in `{ macs = "4.2M" }` or
    `{ params = "baseline" }`; a sample over it is drawn again, untrained."""
    points_to_evaluate: Annotated[tuple[Mapping[str, Scalar], ...], Field(strict=False)] = ()
    """What is tried before anything is sampled, as in `[{}, { kernel = 5 }]`: values of parameters;
    those that are not named keep the baseline as it is."""
    prune: Literal["none", "median", "hyperband"] = "none"
    """Whether a trial may end early, after epochs in which it is worse than others were."""
    first_seed_only: bool = False
    """Whether a trial may end after its first seed where that is no better than what is known.

    Such a trial makes no claim.
    """
    compare_random: bool = False
    """Whether as many random trials are trained beside it, to show what the sampler gains.

    None of them can be a finalist.
    """
    finalists: Finalists
    """What is trained anew and tested."""
    parameters: Annotated[tuple[Parameter, ...], Field(strict=False, min_length=1)]
    """The space: what is varied, each over its values."""

    @field_serializer("budget")
    def _named(self, budget: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """Name params and MACs always: studies go by a digest of this."""
        return None if budget is None else {"macs": None, "params": None, **budget}

    @property
    def cost_objectives(self) -> tuple[str, ...]:
        """The objectives that a table alone tells."""
        return tuple(name for name in self.objectives if name not in ("accuracy", "latency"))

    def limits(self, spec: Spec, size: Size) -> dict[str, float]:
        """Return the limit of each cost that has one; `spec` is the baseline, at `size` (H, W)."""
        return limits_of(self.budget or {}, spec, size)

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
            "epochs" in parameter.recipe_fields for parameter in self.parameters
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
