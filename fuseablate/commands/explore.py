"""`fuseablate explore`: what a search space holds within a budget, by cost alone, without torch."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from fuseablate.commands.arguments import add_input, argument, input_json, whole
from fuseablate.commands.completion import named
from fuseablate.cost import BUDGETS, cost_kind, limited, measure, spec_costs, summary
from fuseablate.errors import InputError
from fuseablate.io.terminal import console, counted, duration
from fuseablate.spec import Size, Spec, load_spec

if TYPE_CHECKING:
    from fuseablate.space import Census, Parameter
    from fuseablate.studies.schema import Search

SAMPLES = 100_000
LINE_EVERY = 5.0  # seconds between two lines of progress where there is no terminal


def add(commands: Any) -> None:
    parser = commands.add_parser("explore", help="what a search space holds within a budget")
    named(parser.add_argument("spec", help="a shipped spec or a path to a .toml file"))
    parser.add_argument(
        "--space",
        type=Path,
        required=True,
        metavar="STUDY",
        help="a shipped study or a .toml file whose [search] table has the parameters",
    )
    parser.add_argument(
        "--budget",
        type=argument(budget),
        action="append",
        default=[],
        metavar="COST=N",
        help="the most of a cost: macs=4.2M, cycles=90k, params=baseline; may be given again "
        f"(costs: {', '.join(BUDGETS)}; without any budget here: that of the study)",
    )
    add_input(parser, "the size of the study's images")
    parser.add_argument(
        "--samples",
        type=whole(1),
        default=SAMPLES,
        metavar="N",
        help="a space of more assignments is not listed: so many are drawn (default: 100000)",
    )
    parser.add_argument(
        "--seed", type=whole(0), default=0, metavar="S", help="of what is drawn (default: 0)"
    )
    parser.add_argument(
        "--top",
        type=whole(1),
        default=3,
        metavar="K",
        help="how many of the cheapest and of the largest are shown (default: 3)",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the census, as far as it came where it was interrupted."""
    from fuseablate.space import Space, take_census
    from fuseablate.space.census_table import as_json, print_census
    from fuseablate.studies import load_study

    spec = load_spec(args.spec)
    study = load_study(args.space)
    if study.search is None:
        raise InputError(
            f'{args.space}: design = "{study.design}": has no [search] table, whose parameters '
            'make a space; use a study of design = "search", such as studies/search.toml'
        )
    spec = spec.with_classes(study.data.known_classes or spec.classes)
    size = args.input or study.data.image_size
    limits = limits_of(args, study.search, spec, size)
    base = spec_costs(spec, tuple(dict.fromkeys(("macs", "params", *limits))), size)
    try:
        costly = without_recipe(study.search.parameters)
        space = Space.of(spec, costly)
    except InputError as error:
        raise error.within(str(args.space)) from None
    left_out = [entry.name for entry in study.search.parameters if entry not in costly]

    start = time.monotonic()
    with _Progress() as progress:
        census = take_census(
            space, size, limits, samples=args.samples, seed=args.seed, few=args.top,
            tell=progress.tell,
        )  # fmt: skip
    seconds = time.monotonic() - start
    if args.json:
        head: dict[str, Any] = {
            "spec": spec.name,
            "space": str(args.space),
            "input": input_json(size),
        }
        head |= {"classes": spec.classes, "left_out": left_out}
        print(json.dumps({**head, **as_json(census, spec, base, limits)}, indent=2))
    else:
        out = console()
        of = (
            f" in the space of {args.space}: {counted(len(space.parameters), 'parameter')}, "
            f"{size[0]}x{size[1]} images, {spec.classes} classes"
        )
        out.print(Text.assemble((spec.name, "bold"), of), soft_wrap=True)
        if left_out:
            out.print(
                f"Left out, as fields of the recipe cost nothing: {', '.join(left_out)}",
                soft_wrap=True,
            )
        out.print(f"Baseline: {summary(measure(spec, size))}")
        print_census(census, spec, base, limits, out)
    if console(stderr=True).is_terminal:
        rate = f"{census.seen / seconds:,.0f} a second" if seconds else ""
        console(stderr=True).print(f"{census.seen:,} in {duration(seconds)}, {rate}", style="dim")
    if census.interruption:
        raise census.interruption
    return 0


def without_recipe(parameters: Sequence[Parameter]) -> list[Parameter]:
    """Return the parameters of the network, the only ones that cost anything.

    One that exists only under some value of the recipe's is an InputError.
    """
    recipe = {entry.name: entry for entry in parameters if entry.recipe}
    kept = [entry for entry in parameters if not entry.recipe]
    for entry in kept:
        if bound := [name for name in entry.when if name in recipe]:
            raise InputError(
                f"parameter '{entry.name}': when: depends on '{bound[0]}', a field of the recipe, "
                "which costs nothing and is not explored; leave 'when' out"
            )
    if not kept:
        raise InputError(
            f"parameters: all are fields of the recipe ({', '.join(recipe)}), which cost nothing; "
            "there is nothing to explore"
        )
    return kept


def budget(text: str) -> tuple[str, int | str]:
    """Return the cost and its limit that `macs=4.2M` or `cycles=baseline` writes."""
    from fuseablate.space import amount

    name, equals, most = text.partition("=")
    if not equals:
        raise InputError(f"'{text}' is not of the form COST=N, such as macs=4.2M")
    limited(name)
    try:
        limit = amount(most)
        if limit == 0:
            raise ValueError("must be at least 1")
    except ValueError as error:
        raise InputError(f"{text}: {error}") from None
    return name, limit if isinstance(limit, int) else most


def limits_of(args: argparse.Namespace, search: Search, spec: Spec, size: Size) -> dict[str, float]:
    """Return the budget of the command line or, where it gives none, that of the study."""
    if not args.budget:
        return search.limits(spec, size)
    rows = spec.infer(size)
    return {
        name: cost_kind(name).total(rows) if most == "baseline" else most
        for name, most in args.budget
    }


class _Progress:
    """How far a census is, on stderr: a bar on a terminal, and elsewhere a line now and then."""

    def __init__(self) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._err = console(stderr=True)
        self._bars = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=self._err,
            transient=True,
            disable=not self._err.is_terminal,
        )
        self._task = self._bars.add_task("", total=None, rate="")
        self._start = self._said = time.monotonic()

    def __enter__(self) -> _Progress:
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        if not self._bars.disable:  # rich before 14.3 would end the line of no bar
            self._bars.stop()

    def tell(self, census: Census) -> None:
        """Show how far the census is."""
        now = time.monotonic()
        rate = census.seen / max(1e-9, now - self._start)
        if self._err.is_terminal:
            self._bars.update(
                self._task, completed=census.seen, total=census.planned, rate=f"{rate:,.0f}/s"
            )
        elif now - self._said >= LINE_EVERY and census.seen < census.planned:
            self._said = now
            left = duration((census.planned - census.seen) / rate)
            self._err.print(
                f"{census.seen:,} of {census.planned:,}, {rate:,.0f} a second, {left} left",
                soft_wrap=True,
            )
