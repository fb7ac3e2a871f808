"""Which plug-ins a run needs to be trained or read again. Without torch."""

from __future__ import annotations

from typing import Any

from fuseablate.data import DATA_SETS
from fuseablate.layers import definitions
from fuseablate.plugins import plugin_of
from fuseablate.recipes import Recipe, resolved
from fuseablate.spec import Size, Spec


def plugins_needed(spec: Spec, recipe: Recipe, data_name: object, size: Size) -> tuple[str, ...]:
    """Return the files and packages that parts of a run come from, sorted; none of what ships."""
    parts: list[Any] = [*map(type, spec.rows), *map(resolved, recipe.parts().values())]
    if isinstance(data_name, str) and data_name in DATA_SETS:
        parts.append(DATA_SETS[data_name])
    parts += definitions(spec.layers(size))
    return tuple(sorted({name for part in parts if (name := plugin_of(part))}))
