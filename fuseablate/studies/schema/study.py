"""The tables of a study file: levels, factors, data, and the whole. Without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from fuseablate.cost import limited
from fuseablate.data import data_set
from fuseablate.errors import InputError
from fuseablate.io.checked import Schema
from fuseablate.runs import MATTERS
from fuseablate.space import Name, Text, Texts
from fuseablate.spec import Edit, Size
from fuseablate.studies.schema.search import Search
from fuseablate.studies.schema.seeds import Seeding, seed_plan
from fuseablate.studies.schema.tune import Tune

DesignName = Literal["one-factor", "leave-one-out", "factorial", "fractional", "per-row", "search"]
RESERVED = ("baseline", "candidate")
# Which keys a design needs besides those of all; it takes none of the other designs' keys.
_NEEDS = {"per-row": ("rows", "edit"), "search": ("search",)}
_OWN = ("factors", "rows", "edit", "search")


class Level(Schema):
    """One level of a factor: another spec, edits, changes of the recipe, or some of these."""

    name: Name
    spec: Text | None = None
    edits: Texts = ()
    recipe: Mapping[str, Any] = {}

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if self.name in RESERVED:
            raise ValueError(f'name = "{self.name}": is taken; use another')
        if not (self.spec or self.edits or self.recipe):
            raise ValueError(
                "must give spec, edits or recipe; "
                "the baseline is the first level of each factor unsaid"
            )
        return self


class Factor(Schema):
    """A named list of levels; the baseline, unsaid, is the first."""

    name: Name
    levels: Annotated[tuple[Level, ...], Field(strict=False, min_length=1)]

    @model_validator(mode="after")
    def _names_are_distinct(self) -> Self:
        if self.name in RESERVED:
            raise ValueError(f'name = "{self.name}": is taken; use another')
        _check_distinct("levels", [level.name for level in self.levels])
        return self


class DataSource(Schema):
    """Which data: a row of the table of data sets, with the arguments of its own."""

    name: str
    arguments: Mapping[str, Any] = {}
    """Whole numbers, as many as are given; where the data lie is not among them."""

    @model_validator(mode="before")
    @classmethod
    def _arguments_apart(cls, table: Any) -> Any:
        """Check the keys beside the name, which are the data set's, and gather them."""
        if not isinstance(table, Mapping) or not isinstance(table.get("name"), str):
            return table
        own = {key: value for key, value in table.items() if key != "name"}
        data_set(table["name"]).filled(own)
        return {"name": table["name"], "arguments": own}

    @property
    def image_size(self) -> Size:
        """The size (H, W) of the images."""
        size = data_set(self.name).filled(self.arguments)["size"]
        return (size, size)

    @property
    def known_classes(self) -> int | None:
        """How many classes the data have; None for a folder, whose files say it."""
        dataset = data_set(self.name)
        return dataset.filled(self.arguments).get("classes", dataset.classes)


def _named_or_table(key: str) -> BeforeValidator:
    return BeforeValidator(lambda given: {key: given} if isinstance(given, str) else given)


class StudyFile(Schema):
    """The keys of a study file."""

    title: Text
    question: Text
    spec: Text = "fusenet"
    data: Annotated[DataSource, _named_or_table("name")]
    recipe: Annotated[Mapping[str, Any], _named_or_table("base")] = {"base": "standard"}
    seeds: Seeding
    design: DesignName
    factors: Annotated[tuple[Factor, ...], Field(strict=False)] = ()
    rows: Text | None = None
    edit: Text | None = None
    search: Search | None = None
    iso: str | None = None
    tune: Tune | None = None
    matters: Annotated[float, Field(gt=0, le=100)] = MATTERS
    threads: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _fits_the_design(self) -> Self:
        if self.iso is not None:
            try:
                limited(self.iso)
            except InputError as error:
                raise error.within("iso") from None
        needed = _NEEDS.get(self.design, ("factors",))
        for key in _OWN:
            if key in needed and not getattr(self, key):
                raise ValueError(f'{key}: missing; design = "{self.design}" needs it')
            if key not in needed and getattr(self, key):
                raise ValueError(f'{key}: design = "{self.design}" takes none; leave it out')
        if self.search and self.iso:
            raise ValueError(
                f'iso = "{self.iso}": design = "search" takes none; bound the cost in [search]'
            )
        _check_distinct("factors", [factor.name for factor in self.factors])
        if self.design in ("leave-one-out", "fractional"):
            self._has_two_levels_each()
        if self.edit and Edit.parse(self.edit).rows is not None:
            raise ValueError(
                f"edit = \"{self.edit}\": must be FIELD=VALUE, such as se=false; 'rows' says where"
            )
        if self.search:
            self._has_fresh_seeds(self.search)
        return self

    def _has_fresh_seeds(self, search: Search) -> None:
        seeds = seed_plan(self.seeds)
        if seeds.looks or seeds.reference != seeds.each:
            raise ValueError(
                'seeds: design = "search" takes the same for all trials, without planned looks; '
                f"write {list(seeds.each)}"
            )
        if both := set(seeds.each) & set(search.finalists.seeds):
            raise ValueError(
                f"search.finalists.seeds: {min(both)} is a seed of the search too; finalists are "
                f"judged on fresh seeds, such as {max(seeds.each) + 1}"
            )

    @model_validator(mode="after")
    def _is_tuned_apart(self) -> Self:
        if self.tune is None:
            return self
        if self.search:
            raise ValueError(
                'tune: design = "search" takes none; put fields of the recipe among its parameters'
            )
        every = seed_plan(self.seeds).every
        if both := every & set(self.tune.seeds):
            raise ValueError(
                f"tune.seeds: {min(both)} is a seed of the comparison too; recipes are chosen on "
                f"seeds of their own, such as {max(every) + 1}"
            )
        fields = {tuned.recipe for tuned in self.tune.parameters if tuned.recipe}
        for factor in self.factors:
            for level in factor.levels:
                if both_change := sorted(fields & level.recipe.keys()):
                    raise ValueError(
                        f"level {factor.name}={level.name}: recipe: changes '{both_change[0]}', "
                        "which is tuned; keep one of them"
                    )
        return self

    def _has_two_levels_each(self) -> None:
        least = 2 if self.design == "leave-one-out" else 4
        if len(self.factors) < least:
            raise ValueError(
                f'factors: design = "{self.design}" needs at least {least}, and there are '
                f'{len(self.factors)}; use design = "factorial"'
            )
        for factor in self.factors:
            if len(factor.levels) > 1:
                raise ValueError(
                    f"factor '{factor.name}' has {len(factor.levels)} levels; "
                    f'design = "{self.design}" takes one each besides the baseline'
                )


def _check_distinct(what: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{what}: '{name}' appears twice; each needs a name of its own")
