"""Search spaces: what a sampled assignment means, and how many there are. Without torch."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from math import prod

from fuseablate.cost import check_width_is_free, cost_kind, edited_at_cost
from fuseablate.errors import InputError, unknown
from fuseablate.recipes import Recipe, changed, check_trainable
from fuseablate.space.fields import Value
from fuseablate.space.parameters import Categorical, FloatRange, IntRange, Parameter, as_text
from fuseablate.spec import Edit, Size, Spec, select
from fuseablate.spec.editor import Editor
from fuseablate.spec.scaling import factor_of

Assignment = Mapping[str, Value]


@dataclass(frozen=True)
class Equal:
    """What the width of each network of a space is solved for: the baseline's cost."""

    cost: str
    """Its name, such as macs."""
    size: Size
    """Of an image (height, width)."""
    limits: Mapping[str, float]
    """The most of this and other costs, by their names: a width within them is preferred."""


@dataclass(frozen=True)
class Space:
    """The parameters of a search and their baseline."""

    spec: Spec
    parameters: tuple[Parameter, ...]
    """Parents stand before those that depend on them."""
    recipe: Recipe | None = None
    """The baseline's; it may be left out where no parameter is a field of it."""
    equal: Equal | None = None
    """Where given, networks are rescaled in width to equal cost."""

    @classmethod
    def of(
        cls,
        spec: Spec,
        parameters: Sequence[Parameter],
        recipe: Recipe | None = None,
        equal: Equal | None = None,
    ) -> Space:
        """Return the space that the parameters of a study file mean for `spec` and `recipe`.

        Each value is tried alone: what `spec` or `recipe` refuses is an `InputError` here, and not
        after an hour of searching. The inner values of a range are not tried.
        """
        expanded = tuple(part for entry in parameters for part in _for_rows(spec, entry))
        space = cls(spec, expanded, recipe, equal)
        earlier: dict[str, Parameter] = {}
        for parameter in space.parameters:
            try:
                if parameter.name in earlier:
                    raise InputError("appears twice; a parameter's name must be its own")
                _check_when(parameter, earlier)
                if equal:
                    check_width_is_free(parameter.templates(), equal.cost)
                for value in parameter.samples():
                    assumed = _with_parents(parameter, value, earlier)
                    some = [*earlier.values(), parameter]
                    spec.edit_sampled(*_edits(assumed, some))
                    _changed(recipe, assumed, some)
            except InputError as error:
                raise error.within(f"parameter '{parameter.name}'") from None
            earlier[parameter.name] = parameter
        return space

    @cached_property
    def own(self) -> Assignment:
        """The value of each parameter under which the baseline stays what it is.

        A parameter of which no value does so has none. The table's own value comes before others
        that the baseline does not depend on. Of a continuous range, x1 and the recipe's own value
        are tried.
        """
        own: dict[str, Value] = {}
        editor = Editor(self.spec)
        for parameter in self.parameters:
            tried = sorted(
                _tried(self, parameter), key=lambda value: _writes(editor, parameter.edits(value))
            )
            kept = (value for value in tried if _keeps(self, parameter, value))
            if (value := next(kept, None)) is not None:
                own[parameter.name] = value
        return own


def is_active(parameter: Parameter, params: Assignment) -> bool:
    """Whether the parameter exists, given the values of the parameters before it."""
    for name, value in parameter.when.items():  # noqa: SIM110 - a generator takes thrice as long
        if params.get(name) != value:
            return False
    return True


def spec_of(space: Space, params: Assignment) -> Spec:
    """Return the spec that an assignment means.

    Edits that change nothing are dropped, and so are values of parameters that do not exist
    under this assignment. Raise `InputError` for a name or value outside the space, for a
    parameter without a value, and where the edits contradict each other or the table.
    """
    texts = texts_of(space, params)
    if equal := space.equal:
        return edited_at_cost(
            space.spec, texts, equal.cost, space.spec, size=equal.size, limits=equal.limits
        )
    return space.spec.edit_sampled(*texts)


def unchanging(space: Space, given: Assignment | None = None) -> Assignment:
    """Return the values under which the baseline stays what it is (`Space.own`), but for `given`.

    Those of parameters that do not exist beside them are left out.
    """
    wanted = {**space.own, **(given or {})}
    params: dict[str, Value] = {}
    for parameter in space.parameters:
        if parameter.name in wanted and is_active(parameter, params):
            params[parameter.name] = wanted[parameter.name]
    return params


def check_point(space: Space, given: Assignment, size: Size, limits: Mapping[str, float]) -> None:
    """Refuse values that no sampler could draw, or that mean nothing to be trained.

    given: some of an assignment's values; the others are `unchanging`. limits: the most that its
    network may cost on images of `size` (H, W), by the names of costs.
    """
    params = unchanging(space, given)
    by_name = {parameter.name: parameter for parameter in space.parameters}
    for name, value in given.items():
        if name not in by_name:
            raise unknown("parameter", name, by_name)
        if name not in params:
            needed = " and ".join(f"{key} = {as_text(v)}" for key, v in by_name[name].when.items())
            raise InputError(f"parameter '{name}': there only when {needed}")
        _in_range(by_name[name], value)
        values = by_name[name].values()
        if (
            isinstance(value, int | float)
            and values
            and not any(
                isinstance(other, int | float) and abs(other - value) < 1e-9 for other in values
            )
        ):
            raise unknown(f"value of '{name}'", as_text(value), map(as_text, values))
    spec = spec_of(space, params)
    check_trainable(spec, recipe_of(space, params), size)
    rows = spec.infer(size)
    for name, limit in limits.items():
        kind = cost_kind(name)
        if (cost := kind.total(rows)) > limit:
            raise InputError(f"costs {kind.exact(cost)}, and the budget is {kind.exact(limit)}")


def _tried(space: Space, parameter: Parameter) -> Sequence[Value]:
    values = parameter.values()
    if values is not None:
        return values
    assert isinstance(parameter, FloatRange)
    own = getattr(space.recipe, parameter.recipe) if parameter.recipe else 1.0
    return [own] if own is not None and parameter.low <= own <= parameter.high else []


def _writes(editor: Editor[Spec], edits: Sequence[str]) -> bool:
    """Whether edits say something else than their table, rounded away or not, or cannot be made."""
    parsed = list(map(Edit.parse, edits))
    try:
        scaled = any(factor_of(edit.value) not in (None, 1) for edit in parsed)
        return scaled or bool(editor.edited(parsed, idle=True).edits)
    except InputError:
        return True


def _keeps(space: Space, parameter: Parameter, value: Value) -> bool:
    with suppress(InputError):  # a value that needs others beside it
        changes = parameter.changes(value)
        return space.spec.edit_sampled(*parameter.edits(value)).edits == space.spec.edits and (
            space.recipe is None
            or changed(space.recipe, changes).to_dict() == space.recipe.to_dict()
        )
    return False


def texts_of(space: Space, params: Assignment) -> list[str]:
    """Return the edits that an assignment writes, with those that change nothing; see `spec_of`.

    Raise `InputError` for a name or value outside the space and a parameter without a value.
    """
    return _edits(_existing(space, params), space.parameters)


def recipe_of(space: Space, params: Assignment) -> Recipe | None:
    """Return the recipe that an assignment means; None where the space has none.

    Values that change nothing beside the others are not in its name. Raise `InputError` as
    `texts_of` does, and for what the recipe's own rules refuse.
    """
    return _changed(space.recipe, _existing(space, params), space.parameters)


def identity_of(space: Space, params: Assignment, spec: Spec, size: Size) -> str:
    """Return what names an assignment's network on images of `size`, and its recipe.

    It is the network's digest alone where the recipe is the baseline's.
    """
    network = spec.digest(size)
    recipe = recipe_of(space, params)
    if recipe is None or space.recipe is None or recipe.to_dict() == space.recipe.to_dict():
        return network
    text = json.dumps(recipe.to_dict(), sort_keys=True)
    return hashlib.sha256(f"{network} {text}".encode()).hexdigest()


def _existing(space: Space, params: Assignment) -> dict[str, Value]:
    """Return the values of those parameters that exist under the assignment."""
    names = [parameter.name for parameter in space.parameters]
    for name in params:
        if name not in names:
            raise unknown("parameter", name, names)
    active: dict[str, Value] = {}
    for parameter in space.parameters:
        if is_active(parameter, active):
            if parameter.name not in params:
                raise InputError(f"parameter '{parameter.name}': the assignment has no value")
            active[parameter.name] = _in_range(parameter, params[parameter.name])
    return active


def size_of(space: Space) -> int | None:
    """Return the number of distinct assignments, or None where a range is continuous."""
    if _continuous(space):
        return None
    groups: list[tuple[Parameter, ...]] = []
    for parameter in space.parameters:  # parameters that depend on each other form a group
        linked = [group for group in groups if any(other.name in parameter.when for other in group)]
        apart = [group for group in groups if group not in linked]
        groups = [*apart, (*(other for group in linked for other in group), parameter)]
    return prod(map(_count, groups))


def _count(parameters: Sequence[Parameter]) -> int:
    """Return the number of assignments; only the values that others depend on are listed."""
    parents = {name for parameter in parameters for name in parameter.when}
    counts: Counter[tuple[tuple[str, Value], ...]] = Counter({(): 1})
    for parameter in parameters:
        values = parameter.values() or ()
        after: Counter[tuple[tuple[str, Value], ...]] = Counter()
        for assumed, count in counts.items():
            if not is_active(parameter, dict(assumed)):
                after[assumed] += count
            elif parameter.name in parents:
                for value in values:
                    after[*assumed, (parameter.name, value)] += count
            else:
                after[assumed] += count * len(values)
        counts = after
    return counts.total()


def assignments(space: Space) -> Iterator[dict[str, Value]]:
    """Yield every assignment of a finite space once, the last parameter changing fastest.

    Raise `InputError` at once where a range is continuous.
    """
    if name := _continuous(space):
        raise InputError(f"parameter '{name}': is continuous, and can't be listed; give it a step")
    return _assignments(space.parameters)


def _assignments(parameters: Sequence[Parameter]) -> Iterator[dict[str, Value]]:
    if not parameters:
        yield {}
        return
    *before, last = parameters
    for params in _assignments(before):
        if is_active(last, params):
            for value in last.values() or ():
                yield {**params, last.name: value}
        else:
            yield params


def _continuous(space: Space) -> str | None:
    return next((entry.name for entry in space.parameters if entry.values() is None), None)


def _for_rows(spec: Spec, parameter: Parameter) -> list[Parameter]:
    if parameter.each is None:
        return [parameter]
    try:
        return [parameter.for_row(row.name, row.id) for row in select(spec.rows, parameter.each)]
    except InputError as error:
        raise error.within(f"parameter '{parameter.name}': each") from None


def _check_when(parameter: Parameter, earlier: Mapping[str, Parameter]) -> None:
    for name, value in parameter.when.items():
        if name not in earlier:
            raise unknown("parameter before it", name, earlier).within("when")
        values = earlier[name].values()
        if values is None or isinstance(earlier[name], FloatRange):
            raise InputError(f"when: '{name}' is a float; depend on a categorical or an int")
        if not any(other == value and type(other) is type(value) for other in values):
            raise unknown(f"value of '{name}'", as_text(value), map(as_text, values)).within("when")


def _with_parents(
    parameter: Parameter, value: Value, earlier: Mapping[str, Parameter]
) -> dict[str, Value]:
    parents: dict[str, Value] = {}
    for name, needed in parameter.when.items():
        parents |= _with_parents(earlier[name], needed, earlier)
    return {**parents, parameter.name: value}


def _edits(params: Assignment, parameters: Sequence[Parameter]) -> list[str]:
    there = [parameter for parameter in parameters if parameter.name in params]
    return [edit for parameter in there for edit in parameter.edits(params[parameter.name])]


def recipe_changes(params: Assignment, parameters: Sequence[Parameter]) -> dict[str, object]:
    """Return what values change of the recipe; an InputError where two change one field."""
    changes: dict[str, object] = {}
    for parameter in parameters:
        if parameter.name in params:
            more = parameter.changes(params[parameter.name])
            if both := more.keys() & changes.keys():
                raise InputError(
                    f"recipe: '{min(both)}' is changed by another parameter too; keep one, or "
                    "part them by 'when'"
                )
            changes |= more
    return changes


def _changed(
    recipe: Recipe | None, params: Assignment, parameters: Sequence[Parameter]
) -> Recipe | None:
    changes = recipe_changes(params, parameters)
    if recipe is None:
        assert not changes, "a space with fields of the recipe has a recipe"
        return None
    try:
        after = changed(recipe, changes)
    except InputError as error:
        raise error.within("recipe") from None
    for key in list(changes):
        others = {other: value for other, value in changes.items() if other != key}
        with suppress(InputError):  # the others cannot be made without it
            without = changed(recipe, others)
            if without.to_dict() == after.to_dict():
                changes, after = others, without
    return after


def _in_range(parameter: Parameter, value: Value) -> Value:
    """Return a value as a storage gives it back: a float of a range that a whole number was of."""
    if isinstance(parameter, Categorical):
        for own in parameter.values():
            if own == value and isinstance(own, bool) is isinstance(value, bool):
                return own
        known = map(as_text, parameter.values())
        raise unknown(f"value of '{parameter.name}'", as_text(value), known)
    low, high = parameter.low, parameter.high
    number = int if isinstance(parameter, IntRange) else (int, float)
    # Samplers step through floats by adding, so that the last may lie a rounding error outside.
    if (
        isinstance(value, bool)
        or not isinstance(value, number)
        or not (low - 1e-9 <= value <= high + 1e-9)
    ):
        raise InputError(f"parameter '{parameter.name}': {value!r} is not from {low} to {high}")
    return float(value) if isinstance(parameter, FloatRange) else value
