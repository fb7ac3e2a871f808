"""Studies: a study file, read and checked, with its baseline. Without torch.

The keys of the file are in `schema`; what a design makes of a study is in `design`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fuseablate.errors import InputError, check_name, unknown
from fuseablate.io.checked import checked
from fuseablate.io.display import Displayed
from fuseablate.io.reading import read_toml, toml_files
from fuseablate.plugins import load_named
from fuseablate.recipes import Recipe, changed, load_recipe
from fuseablate.runs import MATTERS
from fuseablate.seeds import SeedPlan
from fuseablate.space import fit_name
from fuseablate.spec import Spec, load_spec
from fuseablate.studies.schema import (
    DataSource,
    DesignName,
    Factor,
    Search,
    StudyFile,
    Tune,
    seed_plan,
)


@dataclass(frozen=True, kw_only=True)
class Study(Displayed, view="fuseablate.studies.screens.study:print_study"):
    """A study file, read."""

    name: str
    """The stem of the file."""
    path: Path
    title: str
    question: str
    spec: Spec
    """The baseline's, and so is the recipe."""
    data: DataSource
    recipe: Recipe
    seeds: SeedPlan
    design: DesignName
    factors: tuple[Factor, ...] = ()
    rows: str | None = None
    """Of a per-row design, and so is the edit."""
    edit: str | None = None
    search: Search | None = None
    iso: str | None = None
    """The cost in which each variant is also trained rescaled to the reference's."""
    raw: bool = True
    """Whether, with `iso`, variants are trained as their edits make them, too."""
    tune: Tune | None = None
    """How each variant's recipe is tuned; None where all have the study's."""
    matters: float = MATTERS
    """The smallest difference in top-1 that matters, in points."""
    threads: int = 1
    """Of a run on the CPU, whose result there depends on them."""
    specs: Mapping[str, Spec] = field(default_factory=dict)
    """Those that levels put in the baseline's place, by what the file calls them."""

    @classmethod
    def from_dict(cls, table: Mapping[str, Any], *, name: str, folder: Path | str = ".") -> Study:
        """Return the study that the keys of a study file mean; `name` is the file's.

        `fuseablate docs study` lists the keys. `spec`, of a level too, may be a `Spec`, and
        `recipe` a `Recipe`; paths are looked for from `folder`. Raise `InputError` with the name,
        the key, the value and the rule.
        """
        _check_name(name, f"name '{name}'")
        return _study(dict(table), Path(folder) / name, name)

    def with_epochs(self, epochs: int) -> Study:
        """Return the study at another length, with the length in its name.

        Levels, and parameters of a search, that set the epochs themselves keep theirs. Raise
        `InputError` where the recipe refuses the length.
        """
        if epochs == self.recipe.epochs:
            return self
        name = f"{self.name}-{epochs}ep"
        _check_name(name, f"name '{name}'")
        return replace(self, name=name, recipe=self.recipe.with_epochs(epochs))


def shipped_studies() -> dict[str, Path]:
    """Return the studies that come with the package, by name."""
    here = Path(__file__)
    # A wheel has them in the package; a checkout, an editable install too, at its top level.
    folder = next(filter(Path.is_dir, (here.with_name("shipped"), here.parents[2] / "studies")))
    return toml_files(folder)


def load_study(name: str | Path) -> Study:
    """Return a shipped study by its name, or the one in a TOML file by its path.

    A spec or a recipe in it is a shipped one's name, or a path relative to the study file.
    Raise `InputError` with the file, the key, the value and the rule. Levels are tried on the
    spec by `design.expand`.
    """
    check_name("study", name)
    path = Path(name)
    if path.suffix != ".toml":
        shipped = shipped_studies()
        if str(name) not in shipped:
            raise unknown("study", name, shipped).within("a study is a name or a path to a .toml")
        path = shipped[str(name)]
    _check_name(path.stem, f"{path}: the file's name is the study's")
    return _study(read_toml(path), path, path.stem)


def _check_name(name: str, place: str) -> None:
    try:
        fit_name(name)
    except ValueError as error:
        raise InputError(f"{place}: {error}") from None


def _study(table: dict[str, Any], path: Path, name: str) -> Study:
    """Return the study of a file's keys; `path` is its place, from which others are looked for."""
    load_named(table.get("plugins", []), path)
    table, made = _without_specs(table)
    recipe = table.get("recipe")
    if isinstance(recipe, Recipe):
        table = {key: value for key, value in table.items() if key != "recipe"}
    file = checked(StudyFile, table, place=str(path))
    spec = made.get(file.spec) or _spec(file.spec, path, "spec")
    specs = {
        level.spec: made.get(level.spec)
        or _spec(level.spec, path, f"level {factor.name}={level.name}: spec")
        for factor in file.factors
        for level in factor.levels
        if level.spec
    }
    if not isinstance(recipe, Recipe):
        try:
            recipe = _recipe(file.recipe, path)
        except InputError as error:
            raise error.within(f"{path}: recipe") from None
    own = ("spec", "recipe", "plugins")  # these are read from files of their own
    given = {key: getattr(file, key) for key in StudyFile.model_fields if key not in own}
    given["seeds"] = seed_plan(file.seeds)
    return Study(name=name, path=path, spec=spec, recipe=recipe, specs=specs, **given)


def _without_specs(table: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Spec]]:
    """Return a table with a text in the place of each `Spec`, and these by their texts."""
    made: dict[str, Spec] = {}

    def named(value: Any, key: str = "") -> Any:
        if isinstance(value, Spec) and key == "spec":
            name = f"{value.name}#{len(made)}"  # '#' is in no name of a shipped table
            made[name] = value
            return name
        if isinstance(value, Mapping):
            return {key: named(inner, key) for key, inner in value.items()}
        return [named(inner) for inner in value] if isinstance(value, list | tuple) else value

    return named(table), made


def _spec(name: str, study: Path, key: str) -> Spec:
    try:
        return load_spec(_located(name, study))
    except InputError as error:
        raise error.within(f"{study}: {key}") from None


def _recipe(table: Mapping[str, Any], study: Path) -> Recipe:
    changes = dict(table)
    base = changes.pop("base", "standard")
    if not isinstance(base, str):
        raise InputError(f"base = {base}: must be the name of a recipe or the path of a .toml file")
    return changed(load_recipe(_located(base, study)), changes)


def _located(name: str, study: Path) -> str:
    return str(study.parent / name) if ".toml" in name else name
