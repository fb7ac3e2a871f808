"""Recipes by their names, and those of TOML files, which may say what they change of another."""

from __future__ import annotations

from pathlib import Path

from fuseablate.errors import InputError, check_name, unknown
from fuseablate.io.checked import checked
from fuseablate.io.reading import read_toml, toml_files
from fuseablate.recipes.recipe import Recipe, changed


def shipped_recipes() -> dict[str, Path]:
    """Return the recipes that come with the package, by name."""
    return toml_files(Path(__file__).parent)


def load_recipe(name_or_path: str | Path) -> Recipe:
    """Return a shipped recipe by its name, or the one in a TOML file.

    A file's recipe bears the file's name unless it gives another. With a `base`, another recipe
    by its name or by its path from the file's folder, it says only what it changes of that.
    Anything wrong is an InputError with the file, the key, the value and the rule.
    """
    check_name("recipe", name_or_path)
    return _loaded(str(name_or_path), ())


def _loaded(name: str, inside: tuple[Path, ...]) -> Recipe:
    path = Path(name)
    if path.suffix != ".toml":
        shipped = shipped_recipes()
        if str(path) not in shipped:
            raise InputError(f"{unknown('recipe', name, shipped)}; or the path of a .toml file")
        path = shipped[str(path)]
    elif inside:
        path = inside[-1].parent / path
    if path.resolve() in inside:
        raise InputError(f"{path}: base: the recipes are each other's base")
    table = {"name": path.stem, **read_toml(path)}
    if "base" not in table:
        return checked(Recipe, table, place=str(path))
    base = table.pop("base")
    try:
        if not isinstance(base, str):
            raise InputError(f"base = {base}: must be the name of a recipe or the path of a .toml")
        recipe = _loaded(base, (*inside, path.resolve()))
        own = {key: table.pop(key) for key in ("name", "title") if key in table}
        return changed(recipe, table).replace(**own)
    except InputError as error:
        raise error.within(str(path)) from None
