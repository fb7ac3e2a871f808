"""What a study trains: the baseline and its variants, ordered, named and distinct.

Without torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from fuseablate.cost import cost_kind, edited_at_cost
from fuseablate.errors import InputError
from fuseablate.recipes import Recipe, changed, changes_of, check_trainable
from fuseablate.runs import BASELINE
from fuseablate.space import Assignment, Equal, Parameter, Space, check_point
from fuseablate.spec import OF_IMAGES, Edit, Size, Spec
from fuseablate.studies.combinations import BY_FACTORS, Combination, fractional_factorial, per_row
from fuseablate.studies.schema import Level, Search
from fuseablate.studies.study import Study


@dataclass(frozen=True)
class Variant:
    """The baseline with some levels chosen: a network and how it is trained."""

    names: tuple[str, ...]
    """More than one where several combinations give the same network and recipe."""
    levels: tuple[Mapping[str, str], ...]
    """For each of these combinations the level of each factor, `baseline` where it is untouched.

    A per-row design has one factor, `row`. A variant that is also another one rescaled has the
    levels of its own alone.
    """
    spec: Spec
    recipe: Recipe
    iso_of: str | None = None
    """The name of the variant that this one is, rescaled to the reference's cost."""
    rescaled: bool = False
    """Whether its width was found for equal cost."""
    untuned: Recipe | None = None
    """The recipe before it was tuned; None where it was not."""

    @property
    def name(self) -> str:
        """The first of its names, for use; no two variants of a study have the same."""
        return self.names[0]

    @property
    def given(self) -> Recipe:
        """The recipe that the study gives the variant, before any tuning."""
        return self.untuned or self.recipe

    @property
    def tuned(self) -> str:
        """What tuning has changed of the recipe, in words; empty where it was not tuned."""
        return changes_of(self.recipe, self.given)


@dataclass(frozen=True)
class Design:
    """What a study trains."""

    reference: Variant
    """What the others are compared with."""
    variants: tuple[Variant, ...]
    """All of them, the reference first."""
    left_out: tuple[str, ...] = ()
    """What is not compared, such as rows that a per-row design passes over: with the reason."""
    notes: tuple[str, ...] = ()
    """What the reader of the results must know, such as the aliases of a fractional design."""
    target: float = 0.0
    """What the study's `iso` makes equal, in units of that cost; 0 without one."""


def expand(study: Study, size: Size, classes: int | None = None) -> Design:
    """Return what the study trains on images of `size` (H, W) in so many classes.

    Combinations that give the same network at that size and the same recipe are one variant with
    all their names. Edits that change nothing beside the others are dropped. A search has the
    baseline alone: its space is tried here, and sampled elsewhere. Raise `InputError` with the
    study's file, the level or levels, and what is wrong with them.
    """
    try:
        return _expand(study, size, classes or study.spec.classes)
    except InputError as error:
        raise error.within(str(study.path)) from None


def _expand(study: Study, size: Size, classes: int) -> Design:
    base = Variant((BASELINE,), ({},), study.spec.with_classes(classes), study.recipe)
    left_out: list[str] = []
    notes: list[str] = []
    if study.search:
        _check_search(study, study.search, base, size)
        chosen = [Combination(BASELINE, {})]
    elif study.rows and study.edit:
        chosen, left_out = per_row(base.spec, study.rows, study.edit, size)
    elif study.design == "fractional":
        chosen, notes = fractional_factorial(study.factors)
    else:
        chosen = BY_FACTORS[study.design](study.factors)
    made = [(combination, _variant(base, combination, study, size)) for combination in chosen]
    variants = _distinct([variant for _, variant in made], size)
    target = 0.0
    if study.iso:
        kind = cost_kind(study.iso)
        target = kind.total((variants[0] if study.raw else base).spec.infer(size))
        if study.search or not study.raw:
            trained = "sample" if study.search else "variant"
            width = f"the width that comes nearest to {kind.exact(target)}"
            notes.append(f"Each {trained} is trained in {width}.")
        if not study.search:
            rescaled, said = _rescaled(base, made, variants, study, target=target, size=size)
            variants = _distinct([*(variants if study.raw else ()), *rescaled], size)
            notes += said
    return Design(variants[0], variants, tuple(left_out), tuple(notes), target)


def space_of(study: Study, search: Search, base: Variant, size: Size) -> Space:
    """Return the space of the study's `search` around `base`, on images of `size` (H, W)."""
    equal = Equal(study.iso, size, search.limits(base.spec, size)) if study.iso else None
    return Space.of(base.spec, search.parameters, base.recipe, equal)


def _check_search(study: Study, search: Search, base: Variant, size: Size) -> None:
    """Refuse a space, or points of it, that no sample could be trained of."""
    space = space_of(study, search, base, size)
    for parameter in space.parameters:
        for text in parameter.templates():
            if Edit.parse(text).target in (*OF_IMAGES, (None, "classes")):
                edit = f"parameter '{parameter.name}': edit '{text}'"
                raise InputError(f"{edit}: the data decide; leave it out")
    for place, point in enumerate(search.points_to_evaluate):
        try:
            check_point(space, point, size, search.limits(base.spec, size))
        except InputError as error:
            raise error.within(f"search.points_to_evaluate[{place}]") from None


def levels_by_factor(several: Iterable[Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    """Return the levels that each factor has in some combinations, in their order."""
    factors: dict[str, dict[str, None]] = {}
    for levels in several:
        for factor, level in levels.items():
            factors.setdefault(factor, {})[level] = None
    return {factor: tuple(levels) for factor, levels in factors.items()}


def levels_of(parameters: Sequence[Parameter], params: Assignment) -> dict[str, str]:
    """Return the values of parameters as the levels of a variant."""
    by_name = {parameter.name: parameter for parameter in parameters}
    return {name: by_name[name].text(value) for name, value in params.items()}


def _variant(base: Variant, combination: Combination, study: Study, size: Size) -> Variant:
    factors = ["row"] if study.rows else [factor.name for factor in study.factors]
    levels = {
        f: combination.levels[f].name if f in combination.levels else BASELINE for f in factors
    }
    try:
        spec, recipe = _applied(base, combination.levels, study, size)
    except InputError as error:
        raise _blamed(base, combination.levels, study, size) or error from None
    return Variant((combination.name,), (levels,), spec, recipe)


def _applied(
    base: Variant, chosen: Mapping[str, Level], study: Study, size: Size
) -> tuple[Spec, Recipe]:
    """Return the baseline's spec and recipe with the levels of the factors chosen."""
    table, edits = _table_and_edits(base, chosen, study)
    spec = table.edit_sampled(*edits)
    if spec.classes != base.spec.classes:
        raise InputError(f"edit 'classes={spec.classes}': the data decide; leave it out")
    spec.check_size(size)
    changes: dict[str, Any] = {}
    for level in chosen.values():
        if both := [key for key in level.recipe if key in changes]:
            raise InputError(f"both change '{both[0]}' of the recipe; keep one of them")
        changes |= level.recipe
    try:
        recipe = changed(base.recipe, changes)
    except InputError as error:
        raise error.within("recipe") from None
    check_trainable(spec, recipe, size)
    return spec, recipe


def _table_and_edits(
    base: Variant, chosen: Mapping[str, Level], study: Study
) -> tuple[Spec, list[str]]:
    """Return the table that the levels of the factors chosen are edits of, and these."""
    others = [level.spec for level in chosen.values() if level.spec]
    if len(others) > 1:
        raise InputError("both name a spec; keep one of them")
    table = study.specs[others[0]].with_classes(base.spec.classes) if others else base.spec
    return table, [edit for level in chosen.values() for edit in level.edits]


def _blamed(
    base: Variant, chosen: Mapping[str, Level], study: Study, size: Size
) -> InputError | None:
    """Return the error of the fewest levels that fail, naming them.

    Levels that each are possible may conflict with each other, and an error of all of them says
    not which.
    """
    for count in range(1, len(chosen) + 1):
        for few in combinations(chosen.items(), count):
            try:
                _applied(base, dict(few), study, size)
            except InputError as error:
                names = " and ".join(f"{factor}={level.name}" for factor, level in few)
                what = "level" if count == 1 else "levels that do not go together:"
                return error.within(f"{what} {names}")
    return None


def _rescaled(
    base: Variant,
    made: Sequence[tuple[Combination, Variant]],
    variants: Sequence[Variant],
    study: Study,
    *,
    target: float,
    size: Size,
) -> tuple[list[Variant], list[str]]:
    """Return each combination of another cost than `target` rescaled, and notes.

    Where variants are trained in no other width, those that are not rescaled are among them.
    Combinations that are one network need not be one in another width: a divisor may say nothing
    before. Notes name each that no width brings nearer, the edits that say nothing in the width
    that was found, and what costs the same as it is. `variants` are the combinations, merged.
    """
    assert study.iso
    kind = cost_kind(study.iso)
    merged = {name: variant.name for variant in variants for name in variant.names}
    equal: dict[str, None] = {}
    iso, notes = [], []
    for combination, variant in made:
        as_it_is = [] if study.raw else [variant]
        if kind.total(variant.spec.infer(size)) == target:
            equal[merged[variant.name]] = None
            iso += as_it_is
            continue
        table, edits = _table_and_edits(base, combination.levels, study)
        try:
            spec = edited_at_cost(table, edits, study.iso, target, size=size)
        except InputError as error:
            raise error.within(f'iso = "{study.iso}": {variant.name}') from None
        if spec.digest(size) == variant.spec.digest(size):
            notes.append(f"{variant.name}: no width comes nearer to {kind.exact(target)}")
            iso += as_it_is
            continue
        name = f"{variant.name} (iso {kind.word})" if study.raw else variant.name
        of = merged[variant.name] if study.raw else None
        iso.append(replace(variant, names=(name,), spec=spec, iso_of=of, rescaled=True))
        if idle := [edit for edit in variant.spec.edits if edit not in spec.edits]:
            verb = "changes" if len(idle) == 1 else "change"
            notes.append(f"{name}: in its width {' and '.join(idle)} {verb} nothing")
    equal.pop(base.name, None)
    if equal and study.raw:
        who = "it costs" if len(equal) == 1 else "they cost"
        notes.append(f"{', '.join(equal)}: not rescaled, as {who} the reference's {kind.word}")
    return iso, notes


def _distinct(variants: Sequence[Variant], size: Size) -> tuple[Variant, ...]:
    """Return the variants with those merged that are the same network and recipe."""
    distinct: dict[tuple[str, str], Variant] = {}
    for variant in variants:
        try:
            network = variant.spec.digest(size)
        except InputError as error:
            raise error.within(f"{variant.name} at {size[0]}x{size[1]}") from None
        key = network, json.dumps(variant.recipe.to_dict(), sort_keys=True)
        if (first := distinct.get(key)) is None:
            distinct[key] = variant
            continue
        levels = first.levels + (variant.levels if first.iso_of == variant.iso_of else ())
        distinct[key] = replace(first, names=first.names + variant.names, levels=levels)
    return tuple(distinct.values())
