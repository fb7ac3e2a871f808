"""What a census of a search space looks like: on a terminal, and for machines. Without torch."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fuseablate.cost import SUMMARY, CostKind, cost_kind
from fuseablate.io.terminal import bare_table, change, fitted
from fuseablate.space.census import Census, CountedTable
from fuseablate.spec import Spec

BINS = 12
Costs = Mapping[str, float]  # by name


@dataclass(frozen=True)
class Bin:
    """How many tables cost more than `low` and at most `high`; the first also holds `low`."""

    low: int
    high: int
    count: int


def histogram(values: Sequence[float], most_allowed: float | None) -> list[Bin]:
    """Return about `BINS` bins of equal width; a limit among the costs is the edge of two."""
    costs = [math.ceil(value) for value in values]
    limit = None if most_allowed is None else math.floor(most_allowed)
    least, most = min(costs), max(costs)
    step = max(1, -((least - most) // BINS))
    edge = limit if limit is not None and least <= limit <= most else most
    first = (least - edge) // step
    counts = Counter(max(first, -((edge - cost) // step) - 1) for cost in costs)
    return [
        Bin(edge + place * step, edge + (place + 1) * step, counts[place])
        for place in range(first, max(counts) + 1)
    ]


def table_edits(spec: Spec, table: CountedTable) -> tuple[str, ...]:
    """Return the edits that make a table of `spec`, without those that change nothing."""
    return spec.edit_sampled(*table.texts).edits[len(spec.edits) :]


def census_data(census: Census, spec: Spec, base: Costs, limits: Costs) -> dict[str, Any]:
    """Return a census for machines; its seed is null where nothing was drawn."""

    def entry(table: CountedTable) -> dict[str, Any]:
        return {"edits": list(table_edits(spec, table)), **table.costs}

    def spread(name: str) -> dict[str, Any]:
        values = [costs[name] for costs in census.costs]
        if not values:
            return {}
        bins = histogram(values, limits.get(name))
        return {
            "min": min(values),
            "median": statistics.median(values),
            "max": max(values),
            "histogram": [{"over": b.low, "to": b.high, "count": b.count} for b in bins],
        }

    return {
        "assignments": census.assignments,
        "sampled": census.sampled,
        "seed": census.seed if census.sampled else None,
        "seen": census.seen,
        "interrupted": census.interruption is not None,
        "networks": census.networks,
        "distinct": len(census.costs),
        "within": census.within,
        "budget": dict(limits),
        "baseline": dict(base),
        **{name: spread(name) for name in base},
        "cheapest": [entry(table) for table in census.cheapest],
        "largest": [entry(table) for table in census.largest],
    }


def print_census(census: Census, spec: Spec, base: Costs, limits: Costs, out: Console) -> None:
    """Print how many there are, how the costs are spread, and the cheapest and the largest."""
    _print_counts(census, limits, out)
    if not census.costs:
        return
    for name in base:
        if name == "macs" or name in limits:
            values = [costs[name] for costs in census.costs]
            out.print()
            _print_histogram(values, cost_kind(name), limits.get(name), out)
    if not census.within:
        low = min(census.costs, key=itemgetter("macs"))
        out.print(
            f"\nNothing is within the budget; the fewest MACs are {low['macs']:,}, "
            f"with {low['params']:,} params",
            soft_wrap=True,
        )
        return
    for title, tables in (("Cheapest", census.cheapest), ("Largest", census.largest)):
        out.print()
        _print_tables(f"{title} within the budget" if limits else title, tables, spec, base, out)


def _print_counts(census: Census, limits: Costs, out: Console) -> None:
    total = "endless" if census.assignments is None else f"{census.assignments:,}"
    if census.sampled:
        how = f"{total}; {census.seen:,} drawn at random (seed {census.seed})"
    else:
        how = f"{total}, all of them looked at"
    if census.interruption:
        out.print(
            f"Interrupted after {census.seen:,} of {census.planned:,}: what follows is what was "
            "found until then",
            style="yellow",
            soft_wrap=True,
        )
        how = f"{total}; {census.seen:,} looked at" + (
            f" (seed {census.seed})" if census.sampled else ""
        )
    rows = [("Assignments", how)]
    rows.append(("Give a network", _share(census.networks, census.seen)))
    rows.append(("Distinct tables", f"{len(census.costs):,}"))
    if limits:
        budget = " and ".join(_limit(cost_kind(name), limit) for name, limit in limits.items())
        rows.append(("Within budget", f"{_share(census.within, len(census.costs))}: {budget}"))
    table = bare_table(show_header=False)
    for row in rows:
        table.add_row(*row)
    out.print(table)


def _limit(kind: CostKind, limit: float) -> str:
    return kind.exact(limit) if kind.word == kind.unit else f"{kind.word} {kind.exact(limit)}"


def _share(part: int, whole: int) -> str:
    return f"{part:,} ({part / whole:.1%})" if whole else f"{part:,}"


def _print_histogram(
    values: Sequence[float], kind: CostKind, limit: float | None, out: Console
) -> None:
    bins = histogram(values, limit)
    most = max(bin.count for bin in bins)
    labels = [f"{kind.short(max(0, bin.low))} to {kind.short(bin.high)}" for bin in bins]
    left, right = max(map(len, labels)), len(f"{most:,}")
    room = min(100, out.width - left - right - 4)
    of = f" of the distinct tables, median {kind.short(statistics.median(values))}"
    what = kind.word if kind.unit in kind.word else f"{kind.word} ({kind.unit})"
    out.print(Text.assemble((what, "bold"), of))
    for place, (bin, label) in enumerate(zip(bins, labels, strict=True)):
        over = limit is not None and bin.high > limit
        # A bin that holds anything shows at least a mark.
        bar = "█" * round(room * bin.count / most) or ("▏" if bin.count else "")
        out.print(
            Text.assemble(
                f"{label:>{left}}  {bin.count:>{right},}",
                ("  " * bool(bar) + bar, "dim" if over else "green"),
            )
        )
        if bin.high == limit and place + 1 < len(bins):
            mark = f"{'budget':>{left}}  {'':>{right}}  {'┄' * room}"
            out.print(Text(mark, style="yellow"))


def _print_tables(
    title: str, tables: Sequence[CountedTable], spec: Spec, base: Costs, out: Console
) -> None:
    names = ["macs", "params", *(name for name in base if name not in SUMMARY)]
    kinds = [cost_kind(name) for name in names]

    def make(some: Sequence[str], tight: int) -> Table:
        made = bare_table(tight, title=title, title_justify="left")
        for name in some:
            head = "change" if name.startswith("change") else name
            made.add_column(head, justify="right", no_wrap=True)
        made.add_column("Edits", overflow="fold")
        for table in tables:
            texts = {}
            for kind in kinds:
                value = table.costs[kind.name]
                texts[kind.heading] = kind.short(value)
                texts[f"change of {kind.heading}"] = change(value, base[kind.name])
            edits = Text(" ".join(table_edits(spec, table)) or "-")
            made.add_row(*(texts[name] for name in some), edits)
        return made

    columns = [name for kind in kinds for name in (kind.heading, f"change of {kind.heading}")]
    made, _ = fitted(make, columns, [f"change of {kind.heading}" for kind in reversed(kinds)], out)
    out.print(made)
