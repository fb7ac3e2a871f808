"""How a plan looks before it is carried out (`study run --dry-run`)."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fuseablate.cost import nearness
from fuseablate.io.terminal import Named, change, counted, duration, fitted, named_table, short
from fuseablate.recipes import changes_of
from fuseablate.runs import Store, beneath
from fuseablate.stats.power import best_reference, least_reference, narrowed
from fuseablate.studies.looks import Due, runs_due
from fuseablate.studies.plan import Plan, PlannedRun
from fuseablate.studies.screens.search import print_search_plan
from fuseablate.studies.tuning import Tuning

PLAN_COLUMNS = {  # their heads
    "params": "Params",
    "change of params": "change",
    "macs": "MACs",
    "change of macs": "change",
    "done": "Done",
}
# What a narrow screen leaves out.
PLAN_SPARE = ("change of params", "change of macs", "params", "macs")


def print_plan(plan: Plan, store: Store, workers: int, out: Console) -> None:
    """Print each variant with its edits, its costs and what is done of it, and the time left."""
    study = plan.study
    if study.search:
        print_search_plan(plan, study.search, store, workers, out)
        return
    out.print(Text.assemble((study.title, "bold"), f"  {study.question}"), soft_wrap=True)
    tuning = Tuning.of(plan, study.tune) if study.tune else None
    untuned = []
    if tuning:
        untuned = [run for run in tuning.runs if run.record(store) is None]
        plan = tuning.tuned_plan(store) or plan
    # While recipes are still to be tried, none of the runs that are compared is known.
    due = runs_due(plan, (lambda digest: None) if untuned else store.get)
    undone = [run for run in due.runs if untuned or run.record(store) is None]
    _print_variants(plan, due, undone, out)
    design = plan.design
    for variant in design.variants if study.iso else ():
        if study.iso and variant.rescaled:
            line = nearness(variant.spec, study.iso, design.target, plan.data.image_size)
            out.print(f"{variant.iso_of or variant.name}: {line}", soft_wrap=True)
    for note in (*design.left_out, *design.notes):
        out.print(note, style="yellow", soft_wrap=True)
    if tuning and study.tune:
        count, seeds = study.tune.n_trials, len(study.tune.seeds)
        out.print(
            f"Tuning: {counted(len(tuning.runs), 'run')}, {counted(count, 'recipe')} for each of "
            f"{counted(len(tuning.candidates), 'variant')}, seeds: {seeds}, judged by validation; "
            f"{len(untuned)} to do, then each variant's best is compared",
            soft_wrap=True,
        )
    out.print(plan.data.counts, soft_wrap=True)
    out.print(seeds_said(plan), soft_wrap=True)
    records, todo = store.records(), [*untuned, *undone]
    spans = [plan.seconds_left(records, runs) for runs in (todo, [*todo, *due.later])]
    times = [f"about {duration(seconds / workers)}" for seconds in spans if seconds is not None]
    if not times:
        times = ["unknown before the first run on these data"]
    own = {variant.recipe.epochs for variant in design.variants} - {study.recipe.epochs}
    lengths = f", {' or '.join(map(str, sorted(own)))} where a level says so" if own else ""
    out.print(
        f"{_span(len(due.runs), due)} runs of {plan.data.title}, "
        f"{counted(study.recipe.epochs, 'epoch')} each by the baseline's recipe "
        f"({study.recipe.name}){lengths}; {_span(len(todo), due)} to do"
        f"{' with the tuning' if tuning else ''} on {counted(workers, 'worker')}: "
        f"{' to '.join(dict.fromkeys(times))}",
        soft_wrap=True,
    )


def _print_variants(plan: Plan, due: Due, undone: Sequence[PlannedRun], out: Console) -> None:
    """Print the variants: what they change, what they cost and what is done of them."""
    rows = _variants(plan, due, undone)

    def make(columns: Sequence[str], tight: int) -> Table:
        table = named_table("Variant", tight)
        for column in columns:
            table.add_column(PLAN_COLUMNS[column], justify="right", no_wrap=True)
        for name, cells in rows:
            table.add_row(name, *(cells[column] for column in columns))
        return table

    table, left_out = fitted(make, list(PLAN_COLUMNS), PLAN_SPARE, out)
    out.print(table)
    if left_out:
        out.print(f"No room here for {', '.join(left_out)}.", style="dim")


def _variants(
    plan: Plan, due: Due, undone: Sequence[PlannedRun]
) -> list[tuple[Named, dict[str, str]]]:
    """Return what is said of each variant, and the cells of its columns."""
    rows = []
    reference = plan.design.reference
    base = plan.cost(reference)
    for variant in plan.design.variants:
        cost = plan.cost(variant)
        runs = [run for run in due.runs if run.variant is variant]
        later = sum(run.variant is variant for run in due.later)
        done = sum(run not in undone for run in runs)
        recipe = changes_of(variant.given, reference.given)
        other = variant.spec.name if variant.spec.name != plan.study.spec.name else ""
        changes = " ".join(filter(None, (other, *variant.spec.edits, recipe, variant.tuned)))
        cells = {
            "params": short(cost.params),
            "change of params": change(cost.params, base.params),
            "macs": short(cost.macs),
            "change of macs": change(cost.macs, base.macs),
            "done": f"{done} of {len(runs)}" + f" to {len(runs) + later}" * bool(later),
        }
        rows.append((Named(variant.name, beneath(variant.names, changes)), cells))
    return rows


def _span(count: int, due: Due) -> str:
    """Return a number of runs, and where looks are to come the most that it may grow to."""
    return f"{count} to {count + len(due.later)}" if due.later else f"{count}"


def seeds_said(plan: Plan) -> str:
    """Say how many seeds there are, and what more of them for the reference gain, or would."""
    seeds, others = plan.seeds, plan.design.variants[1:]
    each, reference = len(seeds.each), len(seeds.reference)
    if seeds.looks:
        *first, last = map(str, seeds.looks.sizes)
        return (
            f"Seeds: planned looks at {', '.join(first)} and {last}; after each, those variants "
            "that are still unclear and the reference are trained on"
        )
    said = f"Seeds: {each} of each variant"
    if reference > each:
        said += f", {reference} of the reference"
    if each < 2:
        return f"{said}: there is no interval of one seed, and nothing is claimed"
    if each < reference < (least := least_reference(each)):
        return (
            f"{said}: runs are paired by seed, and those that the reference has alone tell "
            f"nothing; from {least} on they do"
        )
    if reference > each:
        return f"{said}: intervals are about {_narrower(each, reference)} narrower than with {each}"
    # Those at equal cost are compared by themselves.
    rescaled = sum(variant.iso_of is not None for variant in others)
    best = best_reference(each, max(rescaled, len(others) - rescaled))
    if best == each:
        return said
    more = counted(best - each, "more run")
    others_seeds = "" if seeds.each == tuple(range(each)) else f", which are 0 to {best - 1}"
    return (
        f"{said}; with {best} of the reference, {more}, all intervals would be about "
        f"{_narrower(each, best)} narrower: "
        f"seeds = {{ each = {each}, reference = {best} }}{others_seeds}"
    )


def _narrower(each: int, reference: int) -> str:
    return f"{100 * (1 - narrowed(each, reference)):.0f} %"
