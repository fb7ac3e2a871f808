"""What the space of a search study holds within a budget, by cost alone. Without torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.text import Text

from fuseablate.cost import limited, measure, spec_costs, summary
from fuseablate.errors import InputError, check_kind
from fuseablate.io.display import Displayed
from fuseablate.io.terminal import counted
from fuseablate.space import Categorical, Census, Parameter, Space, amount, take_census
from fuseablate.space.census_table import census_data, print_census
from fuseablate.spec import Size, Spec, plain_size
from fuseablate.studies.schema import limits_of
from fuseablate.studies.study import Study, load_study

SAMPLES = 100_000


@dataclass(frozen=True, kw_only=True)
class Exploration(Displayed, view="fuseablate.studies.exploration:print_exploration"):
    """What a search space holds: how many networks, at which costs, the cheapest and largest."""

    spec: Spec
    """The baseline, with as many classes as the study's data."""
    space: str
    """What the study with the space is called: its name or its path."""
    size: Size
    """Of an image (height, width)."""
    parameters: int
    left_out: tuple[str, ...]
    """Parameters of the recipe, which cost nothing."""
    iso: str | None
    """The cost that the study makes equal in all by their width; here they are as they were."""
    limits: Mapping[str, float]
    """The most that a network may cost, by the names of costs."""
    base: Mapping[str, float]
    """What the baseline costs: MACs, params, and what the budget limits."""
    census: Census
    """What was seen."""

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return {
            "spec": self.spec.name,
            "space": self.space,
            "input": plain_size(self.size),
            "classes": self.spec.classes,
            "left_out": list(self.left_out),
            "iso": self.iso,
            **census_data(self.census, self.spec, self.base, self.limits),
        }


def explore(
    spec: Spec,
    space: Study | str | Path,
    *,
    budget: Mapping[str, float | str] | None = None,
    size: Size | None = None,
    samples: int = SAMPLES,
    seed: int = 0,
    top: int = 3,
    progress: Callable[[Census], None] = lambda census: None,
) -> Exploration:
    """Count what a search space holds for `spec`, by cost alone: nothing is trained.

    `space` is a study with a [search] table, or its name or path. `budget` limits costs by their
    names, to numbers, to `"4.2M"` or to `"baseline"`; None is the study's own. `size` (H, W) is by
    default that of the study's images. A space of up to `samples` assignments is listed whole; of
    a larger one so many are drawn, by `seed`. `top` is how many of the cheapest and of the largest
    are kept; `progress` is called every few hundred assignments. Many are counted by several
    processes, on all usable cores, which changes no result. Ctrl-C ends it with what was seen
    until then, which `census.interruption` tells. Raise `InputError` for a study without a space,
    an unknown cost, and where `spec` refuses a parameter.
    """
    check_kind("spec", spec, Spec, "load_spec", "fusenet")
    called = str(space.path) if isinstance(space, Study) else str(space)
    study = space if isinstance(space, Study) else load_study(space)
    if study.search is None:
        raise InputError(
            f'{called}: design = "{study.design}": has no [search] table, whose parameters '
            'make a space; use a study of design = "search", such as studies/search.toml'
        )
    spec = spec.with_classes(study.data.known_classes or spec.classes)
    size = size or study.data.image_size
    own = study.search.budget or {}
    asked = own if budget is None else {name: _most(name, most) for name, most in budget.items()}
    limits = limits_of(asked, spec, size)
    base = spec_costs(spec, tuple(dict.fromkeys(("macs", "params", *limits))), size)
    try:
        costly = _without_recipe(study.search.parameters)
        explored = Space.of(spec, costly)
    except InputError as error:
        raise error.within(called) from None
    names = {entry.name for entry in costly}
    return Exploration(
        spec=spec,
        space=called,
        size=size,
        parameters=len(explored.parameters),
        left_out=tuple(entry.name for entry in study.search.parameters if entry.name not in names),
        iso=study.iso,
        limits=limits,
        base=base,
        census=take_census(
            explored, size, limits, samples=samples, seed=seed, few=top, tell=progress
        ),
    )


def _most(name: str, most: float | str) -> float | Literal["baseline"]:
    limited(name)
    if most == "baseline":
        return "baseline"
    try:
        limit = float(str(amount(most))) if isinstance(most, str) else most
    except ValueError as error:
        raise InputError(f"budget: {name} = '{most}': {error}") from None
    if not limit > 0:
        raise InputError(f"budget: {name} = {most}: must be more than 0")
    return limit


def _without_recipe(parameters: Sequence[Parameter]) -> list[Parameter]:
    """Return the parameters of the network, the only ones that cost anything.

    Named choices that change the recipe, too, have their edits alone. One that exists only under
    some value of the recipe's is an InputError.
    """
    recipe = [entry.name for entry in parameters if entry.recipe_fields and not entry.templates()]
    kept = [entry for entry in parameters if entry.name not in recipe]
    for entry in kept:
        if bound := [name for name in entry.when if name in recipe]:
            raise InputError(
                f"parameter '{entry.name}': when: depends on '{bound[0]}', a field of the recipe, "
                "which costs nothing and is not explored; leave 'when' out"
            )
    if not kept:
        raise InputError(
            f"parameters: all are fields of the recipe ({', '.join(recipe)}), which cost nothing; "
            "there is nothing to explore"
        )
    return [
        entry.replace(choices={name: entry.edits(name) for name in entry.choices})
        if isinstance(entry, Categorical) and entry.recipe_fields
        else entry
        for entry in kept
    ]


def print_exploration(explored: Exploration, out: Console) -> None:
    """Print what was explored, the baseline, and the census."""
    height, width = explored.size
    of = (
        f" in the space of {explored.space}: {counted(explored.parameters, 'parameter')}, "
        f"{height}x{width} images, {explored.spec.classes} classes"
    )
    out.print(Text.assemble((explored.spec.name, "bold"), of), soft_wrap=True)
    if explored.left_out:
        out.print(
            f"Left out, as fields of the recipe cost nothing: {', '.join(explored.left_out)}",
            soft_wrap=True,
        )
    if explored.iso:
        out.print(f'As sampled: iso = "{explored.iso}" rescales them before they are trained')
    out.print(f"Baseline: {summary(measure(explored.spec, explored.size))}")
    print_census(explored.census, explored.spec, explored.base, explored.limits, out)
