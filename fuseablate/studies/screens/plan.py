"""How a plan looks before it is carried out (`study run --dry-run`)."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fuseablate.cost import nearness
from fuseablate.io.terminal import change, duration, short
from fuseablate.recipes import changes_of
from fuseablate.runs import Store
from fuseablate.stats.allocation import best_reference, narrowed
from fuseablate.studies.looks import Asked, asked
from fuseablate.studies.plan import Plan
from fuseablate.studies.screens.search import print_search_plan
from fuseablate.studies.tuning.tuned import Tuning


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
    get = (lambda digest: None) if untuned else store.get  # no run is one of the tuned variants
    design = plan.design
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("Variant", overflow="fold")
    table.add_column("Edits and recipe", overflow="fold")
    for name in ("Params", "change", "MACs", "change", "Done"):
        table.add_column(name, justify="right", no_wrap=True)
    base = plan.cost(design.reference)
    now = asked(plan, get)
    undone = [run for run in now.runs if untuned or run.record(store) is None]
    for variant in design.variants:
        cost = plan.cost(variant)
        mine = [run for run in now.runs if run.variant is variant]
        later = sum(run.variant is variant for run in now.later)
        done = sum(run not in undone for run in mine)
        recipe = changes_of(variant.given, design.reference.given)
        other = variant.spec.name if variant.spec.name != study.spec.name else ""
        table.add_row(
            " = ".join(variant.names),
            " ".join(filter(None, (other, *variant.spec.edits, recipe, variant.tuned))) or "-",
            short(cost.params),
            change(cost.params, base.params),
            short(cost.macs),
            change(cost.macs, base.macs),
            f"{done} of {len(mine)}" + f" to {len(mine) + later}" * bool(later),
        )
    out.print(table)
    for variant in design.variants if study.iso else ():
        if study.iso and variant.iso_of is not None:
            cost = getattr(base, study.iso)
            line = nearness(variant.spec, study.iso, cost, plan.data.image_size)
            out.print(f"{variant.iso_of}: {line}", soft_wrap=True)
    for note in (*design.left_out, *design.notes):
        out.print(note, style="yellow", soft_wrap=True)
    if tuning and study.tune:
        count, seeds = study.tune.n_trials, len(study.tune.seeds)
        out.print(
            f"Tuning: {len(tuning.runs)} runs, {count} recipes for each of "
            f"{len(tuning.candidates)} variants, seeds: {seeds}, judged by validation; "
            f"{len(untuned)} to do, then each variant's best is compared",
            soft_wrap=True,
        )
    out.print(seeds_said(plan), soft_wrap=True)
    records, todo = store.records(), [*untuned, *undone]
    spans = [plan.seconds_left(records, each) for each in (todo, [*todo, *now.later])]
    times = [f"about {duration(seconds / workers)}" for seconds in spans if seconds is not None]
    if not times:
        times = ["unknown before the first run on these data"]
    out.print(
        f"{_span(len(now.runs), now)} runs of {plan.data.title}, {study.recipe.epochs} epochs "
        f"each by the baseline's recipe ({study.recipe.name}); {_span(len(todo), now)} to do"
        f"{' with the tuning' if tuning else ''} on {workers} workers: "
        f"{' to '.join(dict.fromkeys(times))}",
        soft_wrap=True,
    )


def _span(count: int, now: Asked) -> str:
    """Return a number of runs, and where looks are to come the most that it may grow to."""
    return f"{count} to {count + len(now.later)}" if now.later else f"{count}"


def seeds_said(plan: Plan) -> str:
    """Say how many seeds there are, and what more of them for the reference gain, or would."""
    seeds, others = plan.seeds, len(plan.design.variants) - 1
    each, reference = len(seeds.each), len(seeds.reference)
    if seeds.looks:
        *first, last = map(str, seeds.looks.sizes)
        return (
            f"Seeds: planned looks at {', '.join(first)} and {last}; after each, those variants "
            "that are still unclear and the reference are trained on"
        )
    if reference > each:
        return (
            f"Seeds: {each} of each variant, {reference} of the reference: intervals are about "
            f"{_narrower(each, reference)} narrower than with {each}"
        )
    best = best_reference(each, others)
    if best == each:
        return f"Seeds: {each} of each variant"
    more = f"{best - each} more run" + "s" * (best > each + 1)
    others_seeds = "" if seeds.each == tuple(range(each)) else f", which are 0 to {best - 1}"
    return (
        f"Seeds: {each} of each variant; with {best} of the reference, {more}, all intervals would "
        f"be about {_narrower(each, best)} narrower: "
        f"seeds = {{ each = {each}, reference = {best} }}{others_seeds}"
    )


def _narrower(each: int, reference: int) -> str:
    return f"{100 * (1 - narrowed(each, reference)):.0f} %"
