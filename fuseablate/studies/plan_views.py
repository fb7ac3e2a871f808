"""How a plan looks before it is carried out (`study run --dry-run`)."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from fuseablate.iso import nearness
from fuseablate.runs import Store
from fuseablate.studies.plan import Plan
from fuseablate.studies.search_views import print_search_plan
from fuseablate.terminal import change, duration, short


def print_plan(plan: Plan, store: Store, workers: int, out: Console) -> None:
    """Print each variant with its edits, its costs and what is done of it, and the time left."""
    study, design = plan.study, plan.design
    if study.search:
        print_search_plan(plan, study.search, store, workers, out)
        return
    out.print(f"[bold]{study.title}[/]  {study.question}", soft_wrap=True)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("Variant", overflow="fold")
    table.add_column("Edits and recipe", overflow="fold")
    for name in ("Params", "change", "MACs", "change", "Done"):
        table.add_column(name, justify="right", no_wrap=True)
    base = plan.cost(design.reference)
    undone = [run for run in plan.runs if store.get(run.digest) is None]
    for variant in design.variants:
        cost = plan.cost(variant)
        mine = [run for run in plan.runs if run.variant is variant]
        done = sum(run not in undone for run in mine)
        recipe = variant.recipe.name if variant.recipe != design.reference.recipe else ""
        other = variant.spec.name if variant.spec.name != study.spec.name else ""
        table.add_row(
            " = ".join(variant.names),
            " ".join(part for part in (other, *variant.spec.edits, recipe) if part) or "-",
            short(cost.params),
            change(cost.params, base.params),
            short(cost.macs),
            change(cost.macs, base.macs),
            f"{done} of {len(mine)}",
        )
    out.print(table)
    for variant in design.variants if study.iso else ():
        if study.iso and variant.iso_of is not None:
            cost = getattr(base, study.iso)
            line = nearness(variant.spec, study.iso, cost, plan.data.image_size)
            out.print(f"{variant.iso_of}: {line}", soft_wrap=True)
    for note in (*design.left_out, *design.notes):
        out.print(note, style="yellow", soft_wrap=True)
    seconds = plan.seconds_left(store.records(), undone)
    time_left = f"about {duration(seconds / workers)}" if seconds is not None else (
        "unknown before the first run on these data")  # fmt: skip
    out.print(
        f"{len(plan.runs)} runs of {plan.data.title}, {study.recipe.epochs} epochs each by the "
        f"baseline's recipe ({study.recipe.name}); {len(undone)} to do on {workers} workers: "
        f"{time_left}",
        soft_wrap=True,
    )
