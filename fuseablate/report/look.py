"""What of a report is shown, and how: the same words for every form. Without torch."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fuseablate.errors import InputError, unknown

if TYPE_CHECKING:
    from fuseablate.report.comparison import ComparedVariant
    from fuseablate.report.judged import Judged

SORTS = ("name", "params", "macs", "latency", "score", "delta")
# Of the table of variants, beside the variant itself, which always comes first.
COLUMNS = ("params", "macs", "latency", "score", "delta", "seeds", "verdict")


@dataclass(frozen=True)
class Look:
    """What of a report is shown, and how: the metric, an order, a filter, the columns, the runs.

    sort: one of `SORTS`, or None for the order of the study; filter: a part of a variant's
    label; cost: the horizontal axis of the plot; columns: some of `COLUMNS`, or none for those
    that have something to say.
    """

    metric: str = "test_top1"
    sort: str | None = None
    filter: str = ""
    cost: str = "macs"
    runs: bool = False
    columns: tuple[str, ...] = ()

    def columns_of(self, judged: Judged) -> tuple[str, ...]:
        """Return the columns of a table, in their order; seeds that are missing are never hid."""
        if self.columns:
            short = any(len(one.finished) < len(one.seeds) for one in judged.variants)
            hidden = short and "seeds" not in self.columns
            return (*self.columns, "seeds") if hidden else self.columns
        without = set()
        if all(variant.latency is None for variant in judged.variants):
            without.add("latency")
        if len(judged.variants) < 2 or judged.comparison.untested:
            without |= {"delta", "verdict"}
        return tuple(column for column in COLUMNS if column not in without)

    def matches(self, variant: ComparedVariant) -> bool:
        """Return whether the filter leaves a variant."""
        return self.filter.lower() in f"{variant.label} {variant.name}".lower()

    def shown(self, judged: Judged) -> list[ComparedVariant]:
        """Return what the filter leaves, in the order asked for; the reference stays first."""
        some = [variant for variant in judged.variants[1:] if self.matches(variant)]

        def score(variant: ComparedVariant) -> float:
            return -statistics.mean(judged.scores(variant) or [0.0])

        def gain(variant: ComparedVariant) -> tuple[bool, float]:
            delta = judged.delta(variant)
            return (True, 0.0) if delta is None or delta.mean is None else (False, -delta.mean)

        match self.sort:
            case "name":
                some.sort(key=lambda variant: variant.label)
            case "params" | "macs":
                some.sort(key=lambda variant: getattr(variant, str(self.sort)))
            case "latency":
                some.sort(key=lambda variant: (variant.latency is None, variant.latency or 0.0))
            case "score":
                some.sort(key=score)
            case "delta":
                some.sort(key=gain)
        return [judged.variants[0], *some]


def read_columns(text: str) -> tuple[str, ...]:
    """Return the columns that `macs,score` names, each once; `variant` may stand among them."""
    names = [name.strip().lower() for name in text.split(",")]
    for name in names:
        if not name:
            raise InputError(f"'{text}' leaves a name out (choices: {', '.join(COLUMNS)})")
        if name not in ("variant", *COLUMNS):
            raise unknown("column", name, COLUMNS)
        if names.count(name) > 1:
            raise InputError(f"'{text}' names '{name}' twice; write each column once")
    found = tuple(name for name in names if name != "variant")
    if not found:
        raise InputError(f"'{text}' leaves nothing to show (choices: {', '.join(COLUMNS)})")
    return found
