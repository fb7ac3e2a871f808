"""How a study looks as its file has it, before its data are there to plan by. Without torch."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fuseablate.io.terminal import Named, counted, named_table
from fuseablate.space import Parameter
from fuseablate.studies.study import Study

MOST = 8  # values that are named one by one


def print_study(study: Study, out: Console) -> None:
    """Print what a study asks, of what, and what it varies."""
    out.print(Text.assemble((study.title, "bold"), f"  {study.question}"), soft_wrap=True)
    spec, data, seeds = study.spec, study.data, study.seeds
    options = " ".join(f"{key}={value}" for key, value in data.options.items())
    more = f", {len(seeds.reference)} of the reference" * (seeds.reference != seeds.each)
    lines = {
        "design": study.design,
        "spec": " ".join((spec.name, *spec.edits)),
        "data": f"{data.name} {options}",
        "recipe": f"{study.recipe.name} ({counted(study.recipe.epochs, 'epoch')})",
        "seeds": seeds.looks.said if seeds.looks else f"{len(seeds.each)}{more}",
        "rows": study.rows,
        "edit": study.edit,
        "iso": study.iso if study.raw else f"{study.iso}, and no variant otherwise",
    }
    for key, value in lines.items():
        if value:
            out.print(f"{key:<8}{value}".rstrip(), soft_wrap=True)
    if study.factors or study.search:
        out.print(_varied(study))


def _varied(study: Study) -> Table:
    """Return a table of the factors and their levels, or of a search's parameters."""
    if study.search:
        table = named_table("Parameter")
        table.add_column("Values", overflow="fold")
        for parameter in study.search.parameters:
            place = " ".join(edit for edit in parameter.templates() if "{}" in edit)
            if parameter.recipe:
                place = f"recipe.{parameter.recipe}"
            table.add_row(Named(parameter.name, place), _values(parameter))
        return table
    table = named_table("Factor")
    table.add_column("Level")
    for factor in study.factors:
        for level in factor.levels:
            recipe = (f"{key}={value}" for key, value in level.recipe.items())
            changes = " ".join((*filter(None, [level.spec]), *level.edits, *recipe))
            table.add_row(factor.name, Named(level.name, changes))
    return table


def _values(parameter: Parameter) -> str:
    values = parameter.values()
    if values is not None and len(values) <= MOST:
        return ", ".join(map(parameter.text, values))
    low, *_, high = parameter.samples()
    return f"{parameter.text(low)} to {parameter.text(high)}"
