"""`fuseablate explore`: what a search space holds within a budget, by cost alone, without torch."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fuseablate.commands.arguments import add_input, argument, whole_number
from fuseablate.commands.completion import complete_names
from fuseablate.cost import BUDGETS, limited
from fuseablate.errors import InputError
from fuseablate.io.terminal import LINE_EVERY, console, duration
from fuseablate.spec import load_spec

if TYPE_CHECKING:
    from fuseablate.space import Census


def add(commands: Any) -> None:
    parser = commands.add_parser("explore", help="what a search space holds within a budget")
    complete_names(parser.add_argument("spec", help="a shipped spec or a path to a .toml file"))
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
        type=whole_number(1),
        metavar="N",
        help="a space of more assignments is not listed: so many are drawn (default: 100000)",
    )
    parser.add_argument(
        "--seed", type=whole_number(0), default=0, metavar="S", help="of what is drawn (default: 0)"
    )
    parser.add_argument(
        "--top",
        type=whole_number(1),
        default=3,
        metavar="K",
        help="how many of the cheapest and of the largest are shown (default: 3)",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the census, as far as it came where it was interrupted."""
    from fuseablate.studies.exploration import SAMPLES, explore, print_exploration

    spec = load_spec(args.spec)
    start = time.monotonic()
    with _Progress() as progress:
        explored = explore(
            spec,
            args.space,
            budget=limits(args.budget) or None,
            size=args.input,
            samples=args.samples or SAMPLES,
            seed=args.seed,
            top=args.top,
            progress=progress.tell,
        )
    seconds = time.monotonic() - start
    if args.json:
        print(json.dumps(explored.to_dict(), indent=2))
    else:
        print_exploration(explored, console())
    census = explored.census
    if console(stderr=True).is_terminal:
        rate = f"{census.seen / seconds:,.0f} a second" if seconds else ""
        console(stderr=True).print(f"{census.seen:,} in {duration(seconds)}, {rate}", style="dim")
    if census.interruption:
        raise census.interruption
    return 0


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


def limits(budgets: Iterable[tuple[str, int | str]]) -> dict[str, int | str]:
    """Return the limits by their costs; an `InputError` names the two of one cost."""
    by_cost: dict[str, int | str] = {}
    for name, most in budgets:
        if name in by_cost:
            raise InputError(
                f"--budget: {name}={by_cost[name]} and {name}={most}: give one of them"
            )
        by_cost[name] = most
    return by_cost


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
