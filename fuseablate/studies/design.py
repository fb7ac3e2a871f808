"""What a study trains: the baseline and its variants, ordered, named and distinct.

Without torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from fuseablate.cost import COSTS, measure, rescaled
from fuseablate.errors import InputError
from fuseablate.recipes import Recipe, changed, changes_of
from fuseablate.runs import BASELINE
from fuseablate.space import Space
from fuseablate.spec import Size, Spec
from fuseablate.studies.choices import BY_FACTORS, Chosen, Named, fractional_factorial, per_row
from fuseablate.studies.study import Study


@dataclass(frozen=True)
class Variant:
    """The baseline with some levels chosen.

    names: more than one where several choices give the same network and recipe. levels: for each
    of these choices the level of each factor, `baseline` where it is untouched; a per-row design
    has one, `row`. A variant that is also another one rescaled has the levels of its own alone.
    iso_of: the first name of the variant that this one is, rescaled to the reference's cost.
    untuned: the recipe before it was tuned; None where it was not.
    """

    names: tuple[str, ...]
    levels: tuple[Mapping[str, str], ...]
    spec: Spec
    recipe: Recipe
    iso_of: str | None = None
    untuned: Recipe | None = None

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
    """What a study trains.

    reference: what the others are compared to. variants: all, the reference first. left_out:
    rows that a per-row design passes over, each with the reason. notes: what the reader of the
    results must know, such as the aliases of a fractional design.
    """

    reference: Variant
    variants: tuple[Variant, ...]
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def expand(study: Study, size: Size, classes: int | None = None) -> Design:
    """Return what the study trains on images of `size` (H, W) in so many classes.

    Choices that give the same network at that size and the same recipe are one variant with all
    their names. Edits that change nothing beside the others are dropped. A search has the
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
        Space.of(base.spec, study.search.parameters, base.recipe)
        named: list[Named] = [(BASELINE, {})]
    elif study.rows and study.edit:
        named, left_out = per_row(base.spec, study.rows, study.edit, size)
    elif study.design == "fractional":
        named, notes = fractional_factorial(study.factors)
    else:
        named = BY_FACTORS[study.design](study.factors)
    variants = _distinct([_variant(base, one, study, size) for one in named], size)
    if study.iso:
        variants, nearest = _with_iso(variants, study.iso, size)
        notes += nearest
    return Design(variants[0], variants, tuple(left_out), tuple(notes))


def _variant(base: Variant, named: Named, study: Study, size: Size) -> Variant:
    name, chosen = named
    factors = ["row"] if study.rows else [factor.name for factor in study.factors]
    levels = {f: chosen[f].name if f in chosen else BASELINE for f in factors}
    try:
        spec, recipe = _made(base, chosen, study.specs, size)
    except InputError as error:
        raise _blamed(base, chosen, study.specs, size) or error from None
    return Variant((name,), (levels,), spec, recipe)


def _made(
    base: Variant, chosen: Chosen, specs: Mapping[str, Spec], size: Size
) -> tuple[Spec, Recipe]:
    others = [level.spec for level in chosen.values() if level.spec]
    if len(others) > 1:
        raise InputError("both name a spec; keep one of them")
    spec = specs[others[0]].with_classes(base.spec.classes) if others else base.spec
    spec = spec.edit_sampled([edit for level in chosen.values() for edit in level.edits])
    if spec.classes != base.spec.classes:
        raise InputError(f"edit 'classes={spec.classes}': the data decide; leave it out")
    spec.check_size(size)
    spec.check_trainable(size)
    changes: dict[str, Any] = {}
    for level in chosen.values():
        if both := [key for key in level.recipe if key in changes]:
            raise InputError(f"both change '{both[0]}' of the recipe; keep one of them")
        changes |= level.recipe
    try:
        return spec, changed(base.recipe, changes)
    except InputError as error:
        raise error.within("recipe") from None


def _blamed(
    base: Variant, chosen: Chosen, specs: Mapping[str, Spec], size: Size
) -> InputError | None:
    """Return the error of the fewest levels that fail, naming them."""
    for count in range(1, len(chosen) + 1):
        for few in combinations(chosen.items(), count):
            try:
                _made(base, dict(few), specs, size)
            except InputError as error:
                names = " and ".join(f"{factor}={level.name}" for factor, level in few)
                what = "level" if count == 1 else "levels that do not go together:"
                return error.within(f"{what} {names}")
    return None


def _with_iso(
    variants: Sequence[Variant], what: str, size: Size
) -> tuple[tuple[Variant, ...], list[str]]:
    """Return the variants and each of another cost than the reference's rescaled, and notes.

    A note names each that no width brings nearer. A rescaled variant that is the network of
    another is merged with it.
    """
    target = getattr(measure(variants[0].spec, size), what)
    iso, notes = [], []
    for one in variants[1:]:
        if getattr(measure(one.spec, size), what) == target:
            continue
        try:
            spec = rescaled(one.spec, what, target, size)
        except InputError as error:
            raise error.within(f'iso = "{what}": {one.names[0]}') from None
        if spec is one.spec:
            notes.append(f"{one.names[0]}: no width comes nearer to {target:,} {COSTS[what].unit}")
            continue
        names = tuple(f"{name} (iso {COSTS[what].unit})" for name in one.names)
        iso.append(replace(one, names=names, spec=spec, iso_of=one.names[0]))
    return _distinct([*variants, *iso], size), notes


def _distinct(variants: Sequence[Variant], size: Size) -> tuple[Variant, ...]:
    """Return the variants with those merged that are the same network and recipe."""
    found: dict[tuple[str, str], Variant] = {}
    for one in variants:
        try:
            network = one.spec.digest(size)
        except InputError as error:
            raise error.within(f"{one.names[0]} at {size[0]}x{size[1]}") from None
        key = network, json.dumps(one.recipe.to_dict(), sort_keys=True)
        if (first := found.get(key)) is None:
            found[key] = one
            continue
        levels = one.levels if first.iso_of == one.iso_of else ()
        found[key] = replace(first, names=first.names + one.names, levels=first.levels + levels)
    return tuple(found.values())
