"""The tables of a study file: levels, factors, data, and the whole. Without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from fuseablate.cost import limited
from fuseablate.data import DATA_SETS, check_val
from fuseablate.errors import InputError
from fuseablate.io.checked import Schema, under
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
    """What the report calls it; unique in its factor."""
    spec: Text | None = None
    """A table in the baseline's place, by name or path."""
    edits: Texts = ()
    """Edits of the table, `ROWS.FIELD=VALUE`, all made at once."""
    recipe: Mapping[str, Any] = {}
    """Fields of the recipe that it changes, such as `{ lr = 0.1 }`."""

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
    """What the report calls it."""
    levels: Annotated[tuple[Level, ...], Field(strict=False, min_length=1)]
    """Its values; the baseline's is one more, unsaid."""

    @model_validator(mode="after")
    def _names_are_distinct(self) -> Self:
        if self.name in RESERVED:
            raise ValueError(f'name = "{self.name}": is taken; use another')
        _check_distinct("levels", [level.name for level in self.levels])
        return self


class DataSource(Schema):
    """Which data: a row of the table of data sets, with the arguments of its own."""

    name: str
    """A data set: `fuseablate train --help` lists them."""
    arguments: Mapping[str, Any] = {}
    """Whole numbers, as many as are given; where the data lie is not among them."""
    val: int | None = None
    """0 trains on all images, without validation: for reproductions only, since nothing can be
    chosen but by the test set. By default a tenth of each class validates."""

    @model_validator(mode="before")
    @classmethod
    def _arguments_apart(cls, table: Any) -> Any:
        """Check the keys beside the name, which are the data set's, and gather them."""
        if not isinstance(table, Mapping) or not isinstance(table.get("name"), str):
            return table
        own = {key: value for key, value in table.items() if key not in ("name", "val")}
        DATA_SETS.named(table["name"]).filled(own)
        check_val(table.get("val"))
        return {"name": table["name"], "arguments": own, "val": table.get("val")}

    @property
    def options(self) -> dict[str, Any]:
        """What loads the data, beside their name and where they lie."""
        return {**self.arguments, **({} if self.val is None else {"val": self.val})}

    @property
    def image_size(self) -> Size:
        """The size (H, W) of the images."""
        size = DATA_SETS.named(self.name).filled(self.arguments)["size"]
        return (size, size)

    @property
    def known_classes(self) -> int | None:
        """How many classes the data have; None for a folder, whose files say it."""
        dataset = DATA_SETS.named(self.name)
        return dataset.filled(self.arguments).get("classes", dataset.classes)


class StudyFile(Schema):
    """The keys of a study file."""

    title: Text
    """The heading of its report."""
    question: Text
    """What it is to answer, in a sentence; the report begins with it."""
    spec: Text = "fusenet"
    """The baseline's table: a shipped one by name (`fuseablate list`), or the path of a .toml, from
    the study's folder."""
    data: Annotated[DataSource, BeforeValidator(under("name", str))]
    """A data set by name, or a table of its name and what it takes, such as
    `{ name = "generated", classes = 10, train_images = 32 }`, whose `train_images` and
    `test_images` are numbers for each class."""
    recipe: Annotated[Mapping[str, Any], BeforeValidator(under("base", str))] = {"base": "standard"}
    """A recipe by name or path, or a table: `base` and what it changes of that, such as
    `{ base = "standard", epochs = 20 }`."""
    seeds: Seeding
    """A list for all variants; `{ each = 3, reference = 9 }`, more of the reference; or
    `{ first = 3, step = 2, most = 9 }`, planned looks."""
    design: DesignName
    """Which combinations are trained: each level alone against the baseline (`one-factor`), all
    edits but one (`leave-one-out`), all combinations (`factorial`), a part of them by which main
    effects can be told (`fractional`), an edit of one row at a time (`per-row`), or those that
    Optuna samples (`search`)."""
    factors: Annotated[tuple[Factor, ...], Field(strict=False)] = ()
    """What is varied, each with its levels; of all designs but `per-row` and `search`."""
    rows: Text | None = None
    """Which rows a `per-row` design edits one by one: a selector such as `fuse` or `2-12`."""
    edit: Text | None = None
    """What a `per-row` design does to each row: `FIELD=VALUE`, such as `se=false`."""
    search: Search | None = None
    """The space of a `search`, and how it is searched."""
    iso: str | None = None
    """A cost, such as `macs` or `params`: each variant is also trained rescaled in width to the
    reference's; each sample of a search is trained so alone."""
    raw: bool = True
    """With `iso`: whether variants are trained as their edits make them, too. If not, all are
    trained rescaled to the baseline's cost alone."""
    tune: Tune | None = None
    """Tunes the recipe of each variant before they are compared."""
    matters: Annotated[float, Field(gt=0, le=100)] = MATTERS
    """The smallest difference that matters, in points of top-1."""
    threads: Annotated[int, Field(ge=1)] = 1
    """CPU threads of a run, on which its result depends."""
    plugins: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    """Python files of one's own parts, from the study's folder; they are run before the rest is
    read."""

    @model_validator(mode="after")
    def _fits_the_design(self) -> Self:
        if self.iso is not None:
            try:
                limited(self.iso)
            except InputError as error:
                raise error.within("iso") from None
        elif not self.raw:
            raise ValueError('raw = false: needs iso, such as iso = "macs"')
        if self.search and "raw" in self.model_fields_set:
            raise ValueError('raw: design = "search" takes none; leave it out')
        needed = _NEEDS.get(self.design, ("factors",))
        for key in _OWN:
            if key in needed and not getattr(self, key):
                raise ValueError(f'{key}: missing; design = "{self.design}" needs it')
            if key not in needed and getattr(self, key):
                raise ValueError(f'{key}: design = "{self.design}" takes none; leave it out')
        if self.search and self.iso in self.search.objectives:
            raise ValueError(
                f'search.objectives: "{self.iso}" is what iso makes equal in all; leave out either'
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
    def _can_choose(self) -> Self:
        if self.data.val == 0 and (self.search or self.tune):
            by = 'design = "search"' if self.search else "tune"
            raise ValueError(f"data.val = 0: {by} chooses by validation; leave val out")
        return self

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
        fields = {field for tuned in self.tune.parameters for field in tuned.recipe_fields}
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
